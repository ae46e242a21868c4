"""ProfileService: profiles for ranking and ads systems."""

from __future__ import annotations

from inkling.policy.v1.policy_pb2 import Standing
from inkling.profiles.v1 import profiles_pb2
from inkling.profiles.v1.profiles_service_pb2_grpc import ProfileServiceServicer
from inkling_server import wire
from inkling_server.auth import Authenticator, Kind
from inkling_server.days import Clock, utc_now
from inkling_server.errors import AccountErased, InklingError, UnknownAccount, WrongCredential
from inkling_server.interests import Interest, interests
from inkling_server.policy import standing
from inkling_server.policy_book import PolicyBook
from inkling_server.services.calls import Context, caller, refuse
from inkling_server.stores import ProfileStore


class ProfileService(ProfileServiceServicer):
    """The calls of those who read profiles."""

    def __init__(
        self,
        *,
        store: ProfileStore,
        authenticator: Authenticator,
        policy: PolicyBook,
        provider_name: str,
        clock: Clock = utc_now,
    ) -> None:
        self._store = store
        self._authenticator = authenticator
        self._policy = policy
        self._provider_name = provider_name
        self._clock = clock

    async def GetProfile(  # noqa: N802
        self, request: profiles_pb2.GetProfileRequest, context: Context
    ) -> profiles_pb2.GetProfileResponse:
        """The interests of an account, each with a reason."""
        try:
            await self._check_reader(context)
            held, found = await self._read(request.account)
        except InklingError as error:
            await refuse(context, error)
        return profiles_pb2.GetProfileResponse(
            account=request.account,
            standing=held,
            interests=[wire.interest_message(interest) for interest in found[: request.maximum_interests or None]],
            read_time=wire.timestamp(self._clock()),
        )

    async def GetSegments(  # noqa: N802
        self, request: profiles_pb2.GetSegmentsRequest, context: Context
    ) -> profiles_pb2.GetSegmentsResponse:
        """The same as OpenRTB segments."""
        try:
            await self._check_reader(context)
            held, found = await self._read(request.account)
        except InklingError as error:
            await refuse(context, error)
        if held != Standing.STANDING_ELIGIBLE:
            return profiles_pb2.GetSegmentsResponse()
        strongest = found[: request.maximum_segments or None]
        return profiles_pb2.GetSegmentsResponse(data=[wire.segments_message(strongest, self._provider_name)])

    async def _check_reader(self, context: Context) -> None:
        """Raises `WrongCredential` where the caller may not read profiles."""
        identity = await caller(context, self._authenticator)
        if identity.kind is not Kind.READER:
            raise WrongCredential("this call takes a reader key: `inkling-server reader add` makes one")

    async def _read(self, account: str) -> tuple[Standing, list[Interest]]:
        """How the account stands, and its interests, none unless it is eligible."""
        holder = await self._authenticator.holder(account)
        try:
            profile, _ = await self._store.load(account)
        except AccountErased:
            raise UnknownAccount from None
        now, policy = self._clock(), self._policy.policy
        held = standing(
            policy,
            home_region=holder.home_region,
            birth_year=holder.birth_year,
            paused=profile.paused,
            today=now,
        )
        if held != Standing.STANDING_ELIGIBLE:
            return held, []
        return held, interests(profile, policy, now)
