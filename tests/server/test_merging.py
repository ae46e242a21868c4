"""Batches into stores: exactly once, coalesced, whatever else is going on."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable

import pytest

from inkling_server.days import day_number
from inkling_server.errors import AccountErased, PairingEnded, RevisionConflict, SequenceGap, StoreUnavailable
from inkling_server.merging import Merger
from inkling_server.policy import Policy
from inkling_server.profile import Batch, MergeOutcome, Profile, block_topic
from inkling_server.stores import Revision
from inkling_server.stores.memory import MemoryStore

POLICY = Policy()
TODAY = dt.date(2026, 5, 9)
EVENT = (672, day_number(TODAY), 1, 90)


class SlowStore(MemoryStore):
    """A memory store whose saves wait to be let through, and may fail."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.saves = 0
        self.arrived = asyncio.Semaphore(0)
        self.before_save: Callable[[], None] = lambda: None

    async def save(self, account: str, profile: Profile, *, expected: Revision) -> Revision:
        self.saves += 1
        self.arrived.release()
        await self.gate.wait()
        self.before_save()
        return await super().save(account, profile, expected=expected)


def merger_of(store: MemoryStore) -> Merger:
    """A merger for pairings that all live."""

    async def lives(pairing: str) -> bool:
        return True

    return Merger(store, lives)


async def push(merger: Merger, pairing: str, sequence: int, account: str = "ada") -> MergeOutcome:
    return await merger.merge(account, pairing, Batch(sequence, (EVENT,)), policy=POLICY, today=TODAY)


async def events(store: MemoryStore, account: str = "ada") -> int:
    """How many events a profile holds."""
    profile, _ = await store.load(account)
    return sum(sighting.events for sighting in profile.sightings())


async def test_merges_in_sequence() -> None:
    """Each batch counts once; sent again it is answered as merged; one that skips is refused."""
    store = SlowStore()
    merger = merger_of(store)
    assert (await push(merger, "a", 1)).accepted_count == 1
    assert (await push(merger, "a", 1)).merged_before
    with pytest.raises(SequenceGap):
        await push(merger, "a", 3)
    assert (await push(merger, "a", 2)).last_sequence == 2
    assert await events(store) == 2
    assert store.saves == 2


async def test_what_comes_during_a_save_is_saved_together() -> None:
    """While one save is under way, twenty more pairings of the account cost one more."""
    store = SlowStore()
    merger = merger_of(store)
    store.gate.clear()
    tasks = [asyncio.create_task(push(merger, "first", 1))]
    await store.arrived.acquire()
    tasks += [asyncio.create_task(push(merger, f"p{number}", 1)) for number in range(20)]
    await asyncio.sleep(0)
    assert merger.under_way == 21
    store.gate.set()
    outcomes = await asyncio.gather(*tasks)
    assert [outcome.accepted_count for outcome in outcomes] == [1] * 21
    assert store.saves == 2
    assert await events(store) == 21
    assert merger.under_way == 0


async def test_the_same_batch_twice_in_one_save_counts_once() -> None:
    """A batch and its repetition that are merged together: one counts, the other is answered as merged."""
    store = SlowStore()
    merger = merger_of(store)
    outcomes = await asyncio.gather(*(push(merger, "a", 1) for _ in range(5)))
    assert sorted(outcome.accepted_count for outcome in outcomes) == [0, 0, 0, 0, 1]
    assert await events(store) == 1


async def test_a_gap_fails_alone() -> None:
    """A batch that skips is refused, and those merged with it count."""
    store = SlowStore()
    merger = merger_of(store)
    first, gap, other = await asyncio.gather(
        push(merger, "a", 1), push(merger, "a", 3), push(merger, "b", 1), return_exceptions=True
    )
    assert isinstance(gap, SequenceGap)
    assert gap.last_sequence == 1
    assert isinstance(first, MergeOutcome)
    assert isinstance(other, MergeOutcome)
    assert await events(store) == 2


async def test_a_conflict_is_merged_anew() -> None:
    """When the wearer blocks a topic between load and save, both the block and the batch's sequence are kept."""
    store = SlowStore()
    merger = merger_of(store)
    await push(merger, "a", 1)

    async def block() -> None:
        profile, revision = await store.load("ada")
        await MemoryStore.save(store, "ada", block_topic(profile, 672), expected=revision)

    await store.arrived.acquire()
    store.gate.clear()
    pushing = asyncio.create_task(push(merger, "a", 2))
    await store.arrived.acquire()
    await block()
    store.gate.set()
    await pushing
    profile, _ = await store.load("ada")
    assert profile.blocked_topics == {672}
    assert profile.last_sequence("a") == 2
    assert await events(store) == 1


async def test_endless_conflicts_end_as_unavailable() -> None:
    """A profile that always changes meanwhile is given up on, with an error that a device tries again."""

    def conflict() -> None:
        raise RevisionConflict

    store = SlowStore()
    store.before_save = conflict
    with pytest.raises(StoreUnavailable):
        await push(merger_of(store), "a", 1)


async def test_a_store_that_fails_fails_all_and_the_next_come_through() -> None:
    """Nothing is acknowledged that was not saved, and the account works again afterwards."""

    def fail() -> None:
        raise StoreUnavailable("disk full")

    store = SlowStore()
    merger = merger_of(store)
    store.before_save = fail
    results = await asyncio.gather(push(merger, "a", 1), push(merger, "b", 1), return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailable, StoreUnavailable]
    store.before_save = lambda: None
    assert (await push(merger, "a", 1)).accepted_count == 1
    assert await events(store) == 1


async def test_an_unexpected_failure_is_answered_too() -> None:
    """A defect in a store leaves nobody waiting and the account usable."""

    def defect() -> None:
        raise ZeroDivisionError

    store = SlowStore()
    merger = merger_of(store)
    store.before_save = defect
    with pytest.raises(StoreUnavailable):
        await push(merger, "a", 1)
    store.before_save = lambda: None
    assert (await push(merger, "a", 1)).accepted_count == 1


async def test_an_unexpected_failure_forgets_nobody_who_came_meanwhile() -> None:
    """What waits while a save meets a defect is merged after it."""

    def defect() -> None:
        store.before_save = lambda: None
        raise ZeroDivisionError

    store = SlowStore()
    merger = merger_of(store)
    store.before_save = defect
    store.gate.clear()
    first = asyncio.create_task(push(merger, "a", 1))
    await store.arrived.acquire()
    later = asyncio.create_task(push(merger, "b", 1))
    await asyncio.sleep(0)
    store.gate.set()
    async with asyncio.timeout(10):
        with pytest.raises(StoreUnavailable):
            await first
        assert (await later).accepted_count == 1
    assert merger.under_way == 0


async def test_a_pairing_that_is_over_gets_no_first_batch() -> None:
    """It is refused, those merged with it count, and a pairing that has contributed is not asked about again."""
    over = set[str]()

    async def lives(pairing: str) -> bool:
        return pairing not in over

    store = SlowStore()
    merger = Merger(store, lives)
    await push(merger, "b", 1)
    over |= {"a", "b"}
    ended, counted = await asyncio.gather(push(merger, "a", 1), push(merger, "b", 2), return_exceptions=True)
    assert isinstance(ended, PairingEnded)
    assert isinstance(counted, MergeOutcome)
    assert (await store.load("ada"))[0].contributions.keys() == {"b"}


async def test_an_erased_account_is_refused() -> None:
    """A push after the erasure is told so."""
    store = SlowStore()
    await store.delete("ada")
    with pytest.raises(AccountErased):
        await push(merger_of(store), "a", 1)


async def test_a_caller_who_leaves_disturbs_nobody() -> None:
    """A cancelled push is merged or not; the others of its account are answered."""
    store = SlowStore()
    merger = merger_of(store)
    store.gate.clear()
    leaving = asyncio.create_task(push(merger, "a", 1))
    await store.arrived.acquire()
    staying = asyncio.create_task(push(merger, "b", 1))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    store.gate.set()
    assert (await staying).accepted_count == 1
    assert (await push(merger, "a", 1)).merged_before
    assert merger.under_way == 0
