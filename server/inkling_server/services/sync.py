"""SyncService: batches of devices, exactly once each, and the policy."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass

from inkling.policy.v1.policy_pb2 import Standing
from inkling.sync.v1 import sync_pb2
from inkling.sync.v1.sync_service_pb2_grpc import SyncServiceServicer
from inkling_server import wire
from inkling_server.auth import Authenticator, Identity, Kind
from inkling_server.days import Clock, utc_now
from inkling_server.errors import InklingError, SlowDown, WrongCredential
from inkling_server.merging import Merger
from inkling_server.policy import standing
from inkling_server.policy_book import PolicyBook
from inkling_server.rate_limit import RateLimit
from inkling_server.services.calls import Context, caller, refuse
from inkling_server.stores import ProfileStore

_LONGEST_PAUSE = 60.0
"""Seconds: a device that is asked to wait longer might as well be told that the server is down."""


@dataclass(frozen=True, slots=True)
class Load:
    """How many pushes may be under way."""

    busy: int
    """From here on devices are asked to pause before their next batch."""
    maximum: int
    """From here on more are refused."""

    def admit(self, under_way: int) -> None:
        """Raises `SlowDown` where one more is too many."""
        if under_way >= self.maximum:
            raise SlowDown(self.pause(under_way))

    def pause(self, under_way: int) -> float:
        """Seconds that a device should wait, 0 where it need not: the longer, the more are under way."""
        if under_way < self.busy:
            return 0.0
        return min(under_way / self.busy, _LONGEST_PAUSE)


class SyncService(SyncServiceServicer):
    """The calls of devices."""

    def __init__(
        self,
        *,
        store: ProfileStore,
        authenticator: Authenticator,
        policy: PolicyBook,
        rate_limit: RateLimit,
        load: Load,
        clock: Clock = utc_now,
    ) -> None:
        self._store = store
        self._authenticator = authenticator
        self._policy = policy
        self._rate_limit = rate_limit
        self._load = load
        self._clock = clock
        self._merger = Merger(store, authenticator.lives)

    async def Push(self, request: sync_pb2.PushRequest, context: Context) -> sync_pb2.PushResponse:  # noqa: N802
        """Merges one batch."""
        try:
            return await self._push(request, await self._device(context))
        except InklingError as error:
            await refuse(context, error)

    async def PushStream(  # noqa: N802
        self, request_iterator: AsyncIterator[sync_pb2.PushRequest], context: Context
    ) -> AsyncIterator[sync_pb2.PushResponse]:
        """Merges batches one after another. Who calls is asked for each: the end of a pairing ends its stream."""
        try:
            async for request in request_iterator:
                yield await self._push(request, await self._device(context))
        except InklingError as error:
            await refuse(context, error)

    async def GetPolicy(  # noqa: N802
        self, request: sync_pb2.GetPolicyRequest, context: Context
    ) -> sync_pb2.GetPolicyResponse:
        """The policy in force, and how the account stands under it."""
        try:
            device = await self._device(context)
            profile, _ = await self._store.load(device.account)
        except InklingError as error:
            await refuse(context, error)
        now = self._clock()
        return sync_pb2.GetPolicyResponse(
            signed_policy=self._policy.signed,
            standing=self._standing(device, now, paused=profile.paused),
            home_region=device.home_region,
            birth_year=device.birth_year,
            server_time=wire.timestamp(now),
            last_sequence=profile.last_sequence(device.pairing),
        )

    async def _device(self, context: Context) -> Identity:
        identity = await caller(context, self._authenticator)
        if identity.kind is not Kind.DEVICE:
            raise WrongCredential("this call takes the access token of a pairing")
        return identity

    async def _push(self, request: sync_pb2.PushRequest, device: Identity) -> sync_pb2.PushResponse:
        self._rate_limit.take(device.pairing)
        self._load.admit(self._merger.under_way)
        now, policy = self._clock(), self._policy.policy
        batch, rejections = wire.batch_from(request, policy, now)
        if self._standing(device, now, paused=False) != Standing.STANDING_ELIGIBLE:
            batch, rejections = wire.without_standing(batch, rejections)
        outcome = await self._merger.merge(device.account, device.pairing, batch, policy=policy, today=now)
        if outcome.paused:
            _, rejections = wire.without_standing(batch, rejections)
        elif outcome.blocked:
            rejections = wire.with_blocked(batch, rejections, outcome.blocked)
        pause = self._load.pause(self._merger.under_way)
        return wire.push_response(
            outcome.last_sequence, outcome.accepted_count, () if outcome.merged_before else rejections, pause
        )

    def _standing(self, device: Identity, now: dt.datetime, *, paused: bool) -> Standing:
        return standing(
            self._policy.policy,
            home_region=device.home_region,
            birth_year=device.birth_year,
            paused=paused,
            today=now,
        )
