"""Profiles in one SQLite file, each encrypted, saved in groups."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from inkling_server.errors import AccountErased, RevisionConflict, StartError, StoreUnavailable
from inkling_server.files import make_directory
from inkling_server.profile import Profile
from inkling_server.profile_codec import decode, encode
from inkling_server.sealing import AccountKey, MasterKey, profile_context
from inkling_server.stores import UNSAVED, Revision
from inkling_server.stores.cache import Entry, ProfileCache
from inkling_server.stores.group_commit import GroupWriter, Outcome, Write, execute_singly
from inkling_server.stores.sqlite_file import connect

_log = logging.getLogger(__name__)

_CACHED_BYTES = 2_000_000
"""Of stored form: about 50 MB of memory for the profiles in use."""

_ROWS_AT_ONCE = 32
"""Saves in one statement."""

_SCHEMA = """
-- One row: proof that the master key in use is the one that wrapped the keys here.
CREATE TABLE IF NOT EXISTS master (proof BLOB NOT NULL) STRICT;
-- The wrapped key of each account. Apart from the profiles, so that saving one leaves no copy of its key in the log.
CREATE TABLE IF NOT EXISTS keys (account TEXT PRIMARY KEY, wrapped BLOB NOT NULL) STRICT;
-- The sealed profile of each account. An erased account stays as a row without content under revision -1, so that
-- nothing is ever saved under its id again.
CREATE TABLE IF NOT EXISTS profiles (account TEXT PRIMARY KEY, revision INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT;
"""

_LOAD = """
SELECT profiles.revision, profiles.sealed, keys.wrapped
FROM profiles LEFT JOIN keys USING (account) WHERE profiles.account = ?
"""
_STORED = "SELECT revision, sealed FROM profiles WHERE account = ?"
_ADD_PROFILE = "INSERT INTO profiles (account, revision, sealed) VALUES (?, 1, ?) ON CONFLICT DO NOTHING"
_ADD_KEY = "INSERT INTO keys (account, wrapped) VALUES (?, ?)"
# The rows to be changed exist: an insertion that always meets a conflict looks each of them up by its account, which
# UPDATE ... FROM does at several times the cost.
_SAVE_MANY = """
INSERT INTO profiles (account, revision, sealed) VALUES {rows}
ON CONFLICT DO UPDATE SET revision = excluded.revision, sealed = excluded.sealed
WHERE profiles.revision = excluded.revision - 1
"""
_DESTROY_KEY = "DELETE FROM keys WHERE account = ?"
_ERASE_PROFILE = """
INSERT INTO profiles (account, revision, sealed) VALUES (?, -1, x'')
ON CONFLICT DO UPDATE SET revision = excluded.revision, sealed = excluded.sealed
"""
_ERASED = -1


def location(address: str) -> tuple[Path, Path]:
    """Database and master key file of what follows `sqlite://` in a URL. Raises `StartError`."""
    name, _, query = address.partition("?")
    path = Path(f"/{name.lstrip('/')}" if name.startswith("/") else name)  # four slashes are as good as three
    options = dict(parse_qsl(query))
    key = Path(options.pop("key", path.parent / "master.key"))
    if options or not path.name:
        raise StartError(f"'sqlite://{address}' is no SQLite store: write sqlite:///PATH or sqlite:///PATH?key=FILE")
    return path, key


class SqliteStore:
    """A `ProfileStore` in a file. Other processes may open it as well.

    A save sees at once what they did; a load of a profile that is in the cache, within about a second.
    """

    def __init__(self, path: Path, master_key_file: Path) -> None:
        self._path = path
        self._master_key_file = master_key_file
        self._cache = ProfileCache(_CACHED_BYTES)
        self._log_holds_erased = False

    async def __aenter__(self) -> Self:
        """Opens the file, and makes it and the master key where both are missing. Raises `StartError`."""
        make_directory(self._path.parent)
        with contextlib.ExitStack() as undo:
            self._reader = undo.enter_context(contextlib.closing(connect(self._path)))
            connection = undo.enter_context(contextlib.closing(connect(self._path)))
            self._master_key = self._unlocked(connection)
            undo.pop_all()
        self._connection = connection
        self._version = _data_version(connection)
        self._loop = asyncio.get_running_loop()
        self._writer = GroupWriter(connection, self._tend, _execute)
        _log.info("store opened path=%s", self._path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._writer.close()
        self._reader.close()
        self._connection.close()

    async def load(self, account: str) -> tuple[Profile, Revision]:
        # On the event loop: a look into a file costs a fraction of a hop to a thread and back.
        try:
            entry = self._cache.get(account)
            return (entry.profile, entry.revision) if entry is not None else self._read(account)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the store cannot be read: {error}") from error

    async def save(self, account: str, profile: Profile, *, expected: Revision) -> Revision:
        key = self._master_key.new_account_key(account) if expected == UNSAVED else self._key(account)
        revision = Revision(expected + 1)
        sealed = key.sealer.seal(encode(profile), profile_context(account, revision))
        write = _Save(account, revision, sealed, key.wrapped)
        try:
            await self._writer.submit(write)
        except BaseException:
            # Whatever went wrong, a cancellation included: what is held is now the database's to say.
            self._cache.drop(account)
            raise
        self._cache.put(account, Entry(profile, revision, key, len(sealed)))
        return revision

    async def delete(self, account: str) -> None:
        erased = self._writer.submit(functools.partial(self._erase, account))
        # When it is written, not when its caller leaves: what is loaded in between goes, too.
        erased.add_done_callback(lambda _: self._cache.drop(account))
        await asyncio.shield(erased)

    def _read(self, account: str) -> tuple[Profile, Revision]:
        row = self._reader.execute(_LOAD, (account,)).fetchone()
        if row is None:
            return Profile(), UNSAVED
        revision, sealed, wrapped = row
        if revision == _ERASED:
            raise AccountErased
        key = self._master_key.account_key(account, wrapped)
        profile = decode(key.sealer.open(sealed, profile_context(account, revision)))
        self._cache.put(account, Entry(profile, Revision(revision), key, len(sealed)))
        return profile, Revision(revision)

    def _key(self, account: str) -> AccountKey:
        """The key of an account that has a profile."""
        entry = self._cache.get(account)
        if entry is not None:
            return entry.key
        try:
            row = self._reader.execute(_LOAD, (account,)).fetchone()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the store cannot be read: {error}") from error
        if row is None:
            raise RevisionConflict
        revision, _, wrapped = row
        if revision == _ERASED:
            raise AccountErased
        return self._master_key.account_key(account, wrapped)

    def _erase(self, account: str, connection: sqlite3.Connection) -> None:
        """Ends an account's key and profile; run by the writer."""
        connection.execute(_DESTROY_KEY, (account,))
        connection.execute(_ERASE_PROFILE, (account,))
        self._log_holds_erased = True

    def _unlocked(self, connection: sqlite3.Connection) -> MasterKey:
        """The master key that belongs to the database; both are made where both are missing. Raises `StartError`."""
        try:
            connection.executescript(_SCHEMA)
            row = connection.execute("SELECT proof FROM master").fetchone()
            if row is None:
                key = self._first_master_key()
                connection.execute("INSERT INTO master (proof) VALUES (?)", (key.proof(),))
                return key
        except sqlite3.Error as error:
            raise StartError(f"{self._path} cannot be used ({error}): restore it from a backup") from error
        if not self._master_key_file.exists():
            raise StartError(
                f"{self._path} holds profiles sealed under a master key, and {self._master_key_file} is missing: "
                "put the key back from where you keep its copy; without it the profiles cannot be read"
            )
        key = MasterKey.load(self._master_key_file)
        if not key.proves(row[0]):
            raise StartError(
                f"{self._master_key_file} is not the master key under which {self._path} was made: put that one back"
            )
        return key

    def _first_master_key(self) -> MasterKey:
        if self._master_key_file.exists():
            return MasterKey.load(self._master_key_file)
        return MasterKey.create(self._master_key_file)

    def _tend(self, connection: sqlite3.Connection) -> None:
        """Run by the writer after every commit, and about once a second."""
        try:
            version = _data_version(connection)
            if version != self._version:
                self._version = version
                self._loop.call_soon_threadsafe(self._cache.clear)
            if self._log_holds_erased:
                self._clean_log(connection)
        except sqlite3.Error as error:
            _log.error("store cannot be tended to, to be tried again error=%s", error)

    def _clean_log(self, connection: sqlite3.Connection) -> None:
        """After an erasure, empties the write-ahead log, which holds the destroyed key until then.

        A reader in another process, such as a backup, can be in the way; then it is tried again.
        """
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._log_holds_erased = bool(busy)


@dataclass(frozen=True, slots=True)
class _Save:
    """The compare-and-set of one profile."""

    account: str
    revision: int
    """The revision that it makes: one more than it expects."""
    sealed: bytes
    wrapped: bytes

    def __call__(self, connection: sqlite3.Connection) -> None:
        """The first save of a profile; `_save_many` makes all others."""
        if connection.execute(_ADD_PROFILE, (self.account, self.sealed)).rowcount != 1:
            raise _refusal(connection, self) or RevisionConflict
        connection.execute(_ADD_KEY, (self.account, self.wrapped))


def _execute(connection: sqlite3.Connection, writes: Sequence[Write]) -> list[Outcome]:
    """Makes the changes of a group: first its erasures, then the saves, many in one statement.

    A save of an account that the same group erases is refused, whichever came first: none is told to be kept that is
    not, and none gets into the cache after the erasure has cleared it.

    SQLite lets go of Python's global lock in each statement, and has to get it back from a busy event loop after it:
    the fewer, the better.
    """
    outcomes: dict[int, Outcome] = {}

    def singly(places: Sequence[int]) -> None:
        found = execute_singly(connection, [writes[at] for at in places])
        outcomes.update(zip(places, found, strict=True))

    singly([at for at, write in enumerate(writes) if not isinstance(write, _Save)])
    saves = [(at, write) for at, write in enumerate(writes) if isinstance(write, _Save) and write.revision > 1]
    for start in range(0, len(saves), _ROWS_AT_ONCE):
        part = saves[start : start + _ROWS_AT_ONCE]
        found = _save_many(connection, [save for _, save in part])
        outcomes.update(zip((at for at, _ in part), found, strict=True))
    singly([at for at in range(len(writes)) if at not in outcomes])
    return [outcomes[at] for at in range(len(writes))]


def _save_many(connection: sqlite3.Connection, saves: Sequence[_Save]) -> list[Outcome]:
    parameters = [value for save in saves for value in (save.account, save.revision, save.sealed)]
    statement = _SAVE_MANY.format(rows=", ".join(["(?, ?, ?)"] * len(saves)))
    if connection.execute(statement, parameters).rowcount == len(saves):
        return [None] * len(saves)
    return [_refusal(connection, save) for save in saves]


def _refusal(connection: sqlite3.Connection, save: _Save) -> RevisionConflict | AccountErased | None:
    """Why a save has not come through; None if it has, which the stored bytes tell: no two sealings are the same."""
    revision, sealed = connection.execute(_STORED, (save.account,)).fetchone()
    if sealed == save.sealed:
        return None
    return AccountErased() if revision == _ERASED else RevisionConflict()


def _data_version(connection: sqlite3.Connection) -> int:
    """A number that changes when another connection than this one has committed."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
