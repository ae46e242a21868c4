"""What every `ProfileStore` promises, over every store there is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from inkling_server.errors import AccountErased, RevisionConflict, StartError
from inkling_server.profile import Contribution, Profile, Week
from inkling_server.stores import UNSAVED, ProfileStore, Revision, open_store
from inkling_server.stores.group_commit import GroupWriter, Outcome

Opened = AbstractAsyncContextManager[ProfileStore]


def profile(sequence: int) -> Profile:
    """A profile that tells from its sequence which one it is."""
    return Profile({"pairing": Contribution(sequence, {2940: Week(2940, {(672, 1): (sequence, 90, 0, 6)})})})


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ProfileStore]:
    """Each store in turn."""
    url = {"memory": "memory:", "sqlite": f"sqlite://{tmp_path / 'profiles.db'}"}[request.param]
    async with open_store(url) as opened:
        yield opened


@pytest.fixture(params=["sqlite"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Opened]:
    """Opens the same lasting store again and again."""
    url = {"sqlite": f"sqlite://{tmp_path / 'lasting.db'}"}[request.param]
    return lambda: open_store(url)


@contextmanager
def writer_held() -> Iterator[tuple[list[int], threading.Event]]:
    """The sizes of the groups that a store's writer makes, and the event until which it writes none of them."""
    groups: list[int] = []
    free = threading.Event()
    commit = GroupWriter._commit

    def late(writer: GroupWriter, group: Sequence[Any]) -> Sequence[Outcome]:
        groups.append(len(group))
        free.wait()
        return commit(writer, group)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GroupWriter, "_commit", late)
        try:
            yield groups, free
        finally:
            free.set()


async def test_an_account_begins_empty(store: ProfileStore) -> None:
    """What was never saved loads as an empty profile, however often."""
    for _ in range(2):
        assert await store.load("ada") == (Profile(), UNSAVED)


async def test_loads_what_was_saved(store: ProfileStore) -> None:
    """The last save is what is loaded, with its revision, and other accounts are not touched."""
    revision = UNSAVED
    for sequence in range(1, 4):
        revision = await store.save("ada", profile(sequence), expected=revision)
        assert await store.load("ada") == (profile(sequence), revision)
    assert revision == 3
    assert await store.load("ben") == (Profile(), UNSAVED)


async def test_every_switch_of_a_profile_is_kept(store: ProfileStore) -> None:
    """Pause and blocks are saved with the rest."""
    full = Profile(profile(1).contributions, True, frozenset({672, 371}), frozenset({3}))
    await store.save("ada", full, expected=UNSAVED)
    assert (await store.load("ada"))[0] == full


@pytest.mark.parametrize("expected", [0, 1, 3])
async def test_another_revision_conflicts(store: ProfileStore, expected: int) -> None:
    """A save that expects any other revision than the one held is refused and changes nothing."""
    first = await store.save("ada", profile(1), expected=UNSAVED)
    second = await store.save("ada", profile(2), expected=first)
    with pytest.raises(RevisionConflict):
        await store.save("ada", profile(9), expected=Revision(expected))
    assert await store.load("ada") == (profile(2), second)


async def test_a_first_save_that_expects_a_revision_conflicts(store: ProfileStore) -> None:
    """Nothing is made of a save whose profile was never there."""
    with pytest.raises(RevisionConflict):
        await store.save("ada", profile(1), expected=Revision(1))
    assert await store.load("ada") == (Profile(), UNSAVED)


@pytest.mark.parametrize("already", [0, 1])
async def test_of_saves_at_once_exactly_one_comes_through(store: ProfileStore, already: int) -> None:
    """Twenty savers that loaded the same revision: one wins, nineteen learn that they did not."""
    revision = await store.save("ada", profile(1), expected=UNSAVED) if already else UNSAVED
    savers = [store.save("ada", profile(100 + number), expected=revision) for number in range(20)]
    results = await asyncio.gather(*savers, return_exceptions=True)
    won = [number for number, result in enumerate(results) if not isinstance(result, BaseException)]
    assert len(won) == 1
    assert all(isinstance(result, RevisionConflict) for number, result in enumerate(results) if number != won[0])
    assert await store.load("ada") == (profile(100 + won[0]), revision + 1)


async def test_many_accounts_at_once_do_not_mix(store: ProfileStore) -> None:
    """A hundred accounts, each saved ten times by load and compare-and-set, all at once."""

    async def grow(account: str) -> None:
        for _ in range(10):
            held, revision = await store.load(account)
            await store.save(account, profile(held.last_sequence("pairing") + 1), expected=revision)

    await asyncio.gather(*(grow(f"account {number}") for number in range(100)))
    for number in range(100):
        assert await store.load(f"account {number}") == (profile(10), 10)


async def test_savers_who_try_again_all_come_through(store: ProfileStore) -> None:
    """Compare-and-set, retried, loses no update: ten savers of one account add ten."""

    async def add_one() -> None:
        while True:
            held, revision = await store.load("ada")
            try:
                await store.save("ada", profile(held.last_sequence("pairing") + 1), expected=revision)
            except RevisionConflict:
                continue
            return

    await asyncio.gather(*(add_one() for _ in range(10)))
    assert await store.load("ada") == (profile(10), 10)


@pytest.mark.parametrize("saved", [True, False])
async def test_deleted_is_deleted_for_good(store: ProfileStore, saved: bool) -> None:
    """After a deletion nothing can be loaded or saved under the id, under no revision, saved before or not."""
    if saved:
        await store.save("ada", profile(1), expected=UNSAVED)
    for _ in range(2):
        await store.delete("ada")
        with pytest.raises(AccountErased):
            await store.load("ada")
        for expected in (0, 1, 2):
            with pytest.raises(AccountErased):
                await store.save("ada", profile(2), expected=Revision(expected))


async def test_a_deletion_beats_saves_under_way(store: ProfileStore) -> None:
    """Saves and a deletion at the same time: whatever came first, the account ends up deleted."""
    revision = await store.save("ada", profile(1), expected=UNSAVED)
    await asyncio.gather(
        store.save("ada", profile(2), expected=revision), store.delete("ada"), store.load("ada"), return_exceptions=True
    )
    with pytest.raises(AccountErased):
        await store.load("ada")


@pytest.mark.parametrize("order", [("delete", "save"), ("save", "delete")])
@pytest.mark.parametrize("already", [0, 1])
async def test_a_deletion_beats_a_save_that_is_written_with_it(
    store: ProfileStore, already: int, order: tuple[str, str]
) -> None:
    """Whichever comes first in a group, the account is deleted; a save after the deletion is told so."""
    revision = await store.save("ada", profile(1), expected=UNSAVED) if already else UNSAVED
    with writer_held() as (groups, free):
        others = asyncio.create_task(store.save("ben", profile(1), expected=UNSAVED))
        while not groups and not others.done():  # noqa: ASYNC110  (the writer's thread tells no loop)
            await asyncio.sleep(0.001)  # the next two are then written together, for this one is on its way alone
        calls = {"delete": store.delete("ada"), "save": store.save("ada", profile(2), expected=revision)}
        tasks = {name: asyncio.ensure_future(calls[name]) for name in order}
        await asyncio.sleep(0)
        free.set()
        await asyncio.wait([others, *tasks.values()])
    assert groups in ([], [1, 2])
    assert tasks["delete"].exception() is None
    refused = isinstance(tasks["save"].exception(), AccountErased)
    assert refused or order == ("save", "delete")
    for _ in range(2):
        with pytest.raises(AccountErased):
            await store.load("ada")
    assert await store.load("ben") == (profile(1), 1)


async def test_a_deletion_whose_caller_leaves_is_made_all_the_same(store: ProfileStore) -> None:
    """What is loaded between its caller's leaving and its end is not loaded any more afterwards."""
    await store.save("ada", profile(1), expected=UNSAVED)
    with writer_held():
        leaving = asyncio.create_task(store.delete("ada"))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        with suppress(AccountErased):
            await store.load("ada")
    await store.save("ben", profile(1), expected=UNSAVED)
    with pytest.raises(AccountErased):
        await store.load("ada")


async def test_a_saver_who_leaves_does_no_harm(store: ProfileStore) -> None:
    """A cancelled save has happened or not; either way the next load and save go together."""
    await store.save("ada", profile(1), expected=UNSAVED)
    task = asyncio.create_task(store.save("ada", profile(2), expected=Revision(1)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await store.save("ben", profile(1), expected=UNSAVED)
    held, revision = await store.load("ada")
    assert (held, revision) in [(profile(1), 1), (profile(2), 2)]
    assert await store.save("ada", profile(3), expected=revision) == revision + 1


async def test_what_was_saved_is_there_after_reopening(reopen: Callable[[], Opened]) -> None:
    """Profiles, revisions and deletions outlive the process that made them."""
    async with reopen() as store:
        revision = await store.save("ada", profile(1), expected=UNSAVED)
        await store.save("ada", profile(2), expected=revision)
        await store.save("ben", profile(1), expected=UNSAVED)
        await store.delete("ben")
    for _ in range(2):
        async with reopen() as store:
            assert await store.load("ada") == (profile(2), 2)
            with pytest.raises(AccountErased):
                await store.load("ben")


async def test_saves_waiting_at_the_end_are_written(reopen: Callable[[], Opened]) -> None:
    """Closing a store completes what was asked of it before."""
    async with reopen() as store:
        tasks = [asyncio.create_task(store.save(f"a{number}", profile(1), expected=UNSAVED)) for number in range(50)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    async with reopen() as store:
        for number in range(50):
            assert await store.load(f"a{number}") == (profile(1), 1)


@pytest.mark.parametrize("url", ["postgres://host/db", "memory", "memory:x", "sqlite:", "sqlite:x.db", "", "sqlite://"])
def test_unknown_urls_are_refused(url: str) -> None:
    """The message says what a URL may be."""
    with pytest.raises(StartError, match="sqlite:///PATH"):
        open_store(url)


@pytest.mark.parametrize("url", ["sqlite:///x.db?mode=ro", "sqlite:///x.db?key=a&b=c"])
def test_unknown_options_are_refused(url: str) -> None:
    """An option that is not known is not silently ignored."""
    with pytest.raises(StartError, match="key=FILE"):
        open_store(url)
