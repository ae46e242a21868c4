"""What the SQLite store promises beyond every store: its files, its disk, its secrets, other processes."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inkling_server.errors import AccountErased, ProfileUnreadable, StartError, StoreUnavailable
from inkling_server.profile import Contribution, Profile, Week
from inkling_server.stores import UNSAVED, open_store
from inkling_server.stores.sqlite import SqliteStore
from inkling_server.stores.sqlite_file import back_up

PAIRING = "pairing-with-a-telling-name"


def profile(sequence: int = 1, cells: int = 1) -> Profile:
    """A profile with as many cells as wanted."""
    held = {(topic, 1): (1, 90, 0, 6) for topic in range(1, cells + 1)}
    return Profile({PAIRING: Contribution(sequence, {2940: Week(2940, held)})})


def opened(directory: Path) -> SqliteStore:
    return SqliteStore(directory / "profiles.db", directory / "master.key")


@contextmanager
def disk_full() -> Iterator[None]:
    """Lets this process write no file beyond 4 KB: the kernel fails the write as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """While the disk is full saves and deletions fail with `StoreUnavailable`; what was held stays, also on disk."""
    async with opened(tmp_path) as store:
        revision = await store.save("ada", profile(1), expected=UNSAVED)
        with disk_full():
            for _ in range(2):
                with pytest.raises(StoreUnavailable, match="cannot be written"):
                    await store.save("ada", profile(2, cells=3000), expected=revision)
            with pytest.raises(StoreUnavailable):
                await store.save("ben", profile(1), expected=UNSAVED)
            with pytest.raises(StoreUnavailable):
                await store.delete("ada")
            assert await store.load("ada") == (profile(1), revision)
        assert await store.save("ada", profile(2), expected=revision) == revision + 1
    async with opened(tmp_path) as store:
        assert await store.load("ada") == (profile(2), 2)
        assert await store.load("ben") == (Profile(), UNSAVED)


async def test_nothing_readable_is_on_disk(tmp_path: Path) -> None:
    """No file of the store holds a profile's content in the clear, while open or closed."""
    async with opened(tmp_path) as store:
        await store.save("ada", profile(1), expected=UNSAVED)
        assert not holds(tmp_path, PAIRING.encode())
    assert not holds(tmp_path, PAIRING.encode())


async def test_deletion_leaves_no_copy_of_the_key(tmp_path: Path) -> None:
    """When `delete` returns, neither the database nor its log holds the account's wrapped key or its profile."""
    async with opened(tmp_path) as store:
        revision = UNSAVED
        for sequence in range(1, 5):
            revision = await store.save("ada", profile(sequence), expected=revision)
        await store.save("ben", profile(1), expected=UNSAVED)
        reader = sqlite3.connect(tmp_path / "profiles.db")
        wrapped = reader.execute("SELECT wrapped FROM keys WHERE account = 'ada'").fetchone()[0]
        sealed = reader.execute("SELECT sealed FROM profiles WHERE account = 'ada'").fetchone()[0]
        reader.close()
        assert holds(tmp_path, wrapped)
        assert holds(tmp_path, sealed)
        await store.delete("ada")
        assert not holds(tmp_path, wrapped)
        assert not holds(tmp_path, sealed)
        assert (await store.load("ben"))[1] == 1


async def test_log_is_emptied_once_a_reader_in_the_way_has_gone(tmp_path: Path) -> None:
    """A backup under way may keep the log from being emptied; a later tending does it."""
    async with opened(tmp_path) as store:
        await store.save("ada", profile(1), expected=UNSAVED)
        reader = sqlite3.connect(tmp_path / "profiles.db", isolation_level=None)
        wrapped = reader.execute("SELECT wrapped FROM keys").fetchone()[0]
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM keys").fetchall()
        await store.delete("ada")
        reader.execute("COMMIT")
        reader.close()
        async with asyncio.timeout(30):
            while holds(tmp_path, wrapped):  # noqa: ASYNC110  (files tell nobody when they change)
                await asyncio.sleep(0.05)


async def test_other_processes_are_seen(tmp_path: Path) -> None:
    """What a second store over the same file saves and deletes is loaded soon, and conflicts at once."""
    async with opened(tmp_path) as ours, opened(tmp_path) as theirs:
        revision = await ours.save("ada", profile(1), expected=UNSAVED)
        loaded, same = await theirs.load("ada")
        assert (loaded, same) == (profile(1), revision)
        await theirs.save("ada", profile(2), expected=revision)
        async with asyncio.timeout(30):
            while (await ours.load("ada"))[0] != profile(2):  # noqa: ASYNC110  (nobody tells of another process)
                await asyncio.sleep(0.05)
        _, revision = await ours.load("ada")
        await theirs.delete("ada")
        with pytest.raises(AccountErased):
            await ours.save("ada", profile(3), expected=revision)


async def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """A new directory is 0700, every file in it 0600."""
    directory = tmp_path / "new" / "data"
    async with opened(directory) as store:
        await store.save("ada", profile(1), expected=UNSAVED)
        assert directory.stat().st_mode & 0o777 == 0o700
        names = {file.name for file in directory.iterdir()}
        assert {"profiles.db", "profiles.db-wal", "master.key"} <= names
        assert {file.stat().st_mode & 0o777 for file in directory.iterdir()} == {0o600}


async def test_a_lost_master_key_is_told(tmp_path: Path) -> None:
    """No new key is made over profiles sealed under another."""
    async with opened(tmp_path):
        pass
    (tmp_path / "master.key").unlink()
    with pytest.raises(StartError, match=r"master\.key is missing"):
        await opened(tmp_path).__aenter__()
    assert not (tmp_path / "master.key").exists()


async def test_a_wrong_master_key_is_told(tmp_path: Path) -> None:
    """A key of another database is refused before anything is read or written."""
    async with opened(tmp_path / "a"), opened(tmp_path / "b"):
        pass
    (tmp_path / "a" / "master.key").write_bytes((tmp_path / "b" / "master.key").read_bytes())
    with pytest.raises(StartError, match="not the master key"):
        await opened(tmp_path / "a").__aenter__()


async def test_a_master_key_elsewhere_is_named_in_the_url(tmp_path: Path) -> None:
    """`?key=` keeps the key apart from the data."""
    url = f"sqlite://{tmp_path / 'profiles.db'}?key={tmp_path / 'elsewhere.key'}"
    async with open_store(url) as store:
        await store.save("ada", profile(1), expected=UNSAVED)
    assert (tmp_path / "elsewhere.key").exists()
    assert not (tmp_path / "master.key").exists()
    async with open_store(url) as store:
        assert (await store.load("ada"))[0] == profile(1)


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
async def test_a_damaged_file_is_told_and_left_alone(tmp_path: Path, content: bytes) -> None:
    """A start over a damaged file fails with what to do, and does not touch it."""
    (tmp_path / "profiles.db").write_bytes(content)
    with pytest.raises(StartError, match=r"profiles\.db.*backup"):
        await opened(tmp_path).__aenter__()
    assert (tmp_path / "profiles.db").read_bytes() == content


async def test_a_directory_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    """The message names the path."""
    (tmp_path / "profiles.db").mkdir()
    with pytest.raises(StartError, match=r"profiles\.db"):
        await opened(tmp_path).__aenter__()


async def test_one_damaged_profile_does_not_touch_the_others(tmp_path: Path) -> None:
    """Changed bytes, and rows exchanged between accounts, are refused for those accounts alone."""
    async with opened(tmp_path) as store:
        for account in ("ada", "ben", "cem"):
            await store.save(account, profile(1), expected=UNSAVED)
    with sqlite3.connect(tmp_path / "profiles.db") as connection:
        connection.execute(
            "UPDATE profiles SET sealed = (SELECT sealed FROM profiles WHERE account = 'ben') WHERE account = 'ada'"
        )
    connection.close()
    async with opened(tmp_path) as store:
        with pytest.raises(ProfileUnreadable):
            await store.load("ada")
        assert (await store.load("ben"))[0] == profile(1)


async def test_backup_of_a_running_store_can_be_opened(tmp_path: Path) -> None:
    """A copy made amid saves is whole, holds what was saved before, and opens with the master key."""
    copy = tmp_path / "copy"
    copy.mkdir()
    async with opened(tmp_path) as store:
        await store.save("ada", profile(1), expected=UNSAVED)
        saving = [asyncio.create_task(store.save(f"a{n}", profile(1), expected=UNSAVED)) for n in range(200)]
        await asyncio.to_thread(back_up, tmp_path / "profiles.db", copy / "profiles.db")
        await asyncio.gather(*saving)
        with pytest.raises(StartError, match="exists already"):
            await asyncio.to_thread(back_up, tmp_path / "profiles.db", copy / "profiles.db")
    assert {file.name for file in copy.iterdir()} == {"profiles.db"}
    assert (copy / "profiles.db").stat().st_mode & 0o777 == 0o600
    async with SqliteStore(copy / "profiles.db", tmp_path / "master.key") as store:
        assert (await store.load("ada"))[0] == profile(1)


async def test_a_backup_from_before_an_erasure_still_holds_the_profile(tmp_path: Path) -> None:
    """What the pages tell wearers and the README operators: the key in the copy is not destroyed with the other."""
    copy = tmp_path / "copy"
    copy.mkdir()
    async with opened(tmp_path) as store:
        await store.save("ada", profile(1), expected=UNSAVED)
        back_up(tmp_path / "profiles.db", copy / "profiles.db")
        await store.delete("ada")
    async with SqliteStore(copy / "profiles.db", tmp_path / "master.key") as store:
        assert (await store.load("ada"))[0] == profile(1)


def test_backup_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    """A missing or damaged source, or no room for the copy: told, and no half copy stays."""
    with pytest.raises(StartError, match="does not exist"):
        back_up(tmp_path / "none.db", tmp_path / "copy.db")
    (tmp_path / "bad.db").write_bytes(b"not a database" * 500)
    with pytest.raises(StartError, match="cannot be copied"):
        back_up(tmp_path / "bad.db", tmp_path / "copy.db")
    with sqlite3.connect(tmp_path / "good.db") as connection:
        connection.execute("CREATE TABLE content AS SELECT randomblob(50000) AS bytes")
    connection.close()
    with disk_full(), pytest.raises(StartError, match="cannot be copied"):
        back_up(tmp_path / "good.db", tmp_path / "copy.db")
    assert {file.name for file in tmp_path.iterdir()} == {"bad.db", "good.db"}


def holds(directory: Path, content: bytes) -> bool:
    """Whether any file of a directory holds these bytes."""
    return any(content in file.read_bytes() for file in directory.iterdir() if file.is_file())
