"""Batches into stored profiles: load, merge, compare-and-set, again where somebody was faster."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from inkling_server.errors import InklingError, PairingEnded, RevisionConflict, SequenceGap, StoreUnavailable
from inkling_server.policy import Policy
from inkling_server.profile import Batch, MergeOutcome, Profile, merge
from inkling_server.stores import ProfileStore

_log = logging.getLogger(__name__)

_ATTEMPTS = 8
"""Compare-and-sets before giving up; one process has no conflicts of its own, and other writers are rare."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    pairing: str
    batch: Batch
    policy: Policy
    today: dt.date
    outcome: asyncio.Future[MergeOutcome]


@dataclass(slots=True)
class _Lane:
    """The batches of one account that wait for the save under way to end."""

    waiting: list[_Waiting] = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class Merger:
    """Merges batches one save at a time for each account.

    What comes for an account while its save is under way is merged together and saved at once: several glasses of
    one wearer cost one save, and never conflict.
    """

    def __init__(self, store: ProfileStore, lives: Callable[[str], Awaitable[bool]]) -> None:
        """`lives` is that of an `Authenticator`."""
        self._store = store
        self._lives = lives
        self._lanes: dict[str, _Lane] = {}
        self._under_way = 0

    @property
    def under_way(self) -> int:
        """Batches that have come and are not answered yet."""
        return self._under_way

    async def merge(self, account: str, pairing: str, batch: Batch, *, policy: Policy, today: dt.date) -> MergeOutcome:
        """What became of the batch, once it is durable.

        Raises `SequenceGap`, `PairingEnded`, `AccountErased`, and `StoreUnavailable`. A caller that is cancelled
        meanwhile leaves the merge to end by itself.
        """
        waiting = _Waiting(pairing, batch, policy, today, asyncio.get_running_loop().create_future())
        lane = self._lanes.get(account)
        if lane is None:
            lane = self._lanes[account] = _Lane()
            lane.waiting.append(waiting)
            lane.task = asyncio.create_task(self._drain(account, lane))
        else:
            lane.waiting.append(waiting)
        self._under_way += 1
        try:
            return await waiting.outcome
        finally:
            self._under_way -= 1

    async def _drain(self, account: str, lane: _Lane) -> None:
        try:
            while lane.waiting:
                together, lane.waiting = lane.waiting, []
                await self._settle(account, together)
        finally:
            del self._lanes[account]

    async def _settle(self, account: str, together: Sequence[_Waiting]) -> None:
        """Merges and saves what waits, and tells each what became of it.

        Also of a defect, which is logged and not raised: what has come meanwhile is still to be merged.
        """
        try:
            outcomes = await self._save(account, together)
        except InklingError as error:
            outcomes = [error] * len(together)
        except Exception:
            _log.exception("batches not merged count=%d", len(together))
            outcomes = [StoreUnavailable("the batch could not be merged")] * len(together)
        for waiting, outcome in zip(together, outcomes, strict=True):
            _tell(waiting.outcome, outcome)

    async def _save(self, account: str, together: Sequence[_Waiting]) -> list[MergeOutcome | InklingError]:
        for _ in range(_ATTEMPTS):
            held, revision = await self._store.load(account)
            profile = held
            outcomes: list[MergeOutcome | InklingError] = []
            for waiting in together:
                try:
                    await self._check_first(profile, waiting.pairing)
                    profile, outcome = merge(
                        profile, waiting.pairing, waiting.batch, policy=waiting.policy, today=waiting.today
                    )
                    outcomes.append(outcome)
                except (SequenceGap, PairingEnded) as error:
                    outcomes.append(error)
            if profile is held:
                return outcomes
            try:
                await self._store.save(account, profile, expected=revision)
            except RevisionConflict:
                continue
            return outcomes
        raise StoreUnavailable("the profile is being changed by too many at once")

    async def _check_first(self, profile: Profile, pairing: str) -> None:
        """Raises `PairingEnded` where a pairing without a contribution is over.

        It may have been forgotten since its caller was identified, and its first batch would put it back. Asked after
        the load: whoever ends and forgets a pairing later than this saves the profile, and so makes the save conflict.
        """
        if pairing not in profile.contributions and not await self._lives(pairing):
            raise PairingEnded


def _tell(future: asyncio.Future[MergeOutcome], outcome: MergeOutcome | InklingError) -> None:
    if future.done():  # its caller has gone
        return
    if isinstance(outcome, MergeOutcome):
        future.set_result(outcome)
    else:
        future.set_exception(outcome)
