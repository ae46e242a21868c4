"""The gRPC services over a real channel: what devices and readers get, and how failures are said."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no types
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from inkling.interests.v1.interests_pb2 import InterestSource
from inkling.policy.v1.policy_pb2 import Standing
from inkling.profiles.v1 import profiles_pb2
from inkling.profiles.v1.profiles_service_pb2_grpc import ProfileServiceStub
from inkling.sync.v1 import sync_pb2
from inkling.sync.v1.sync_service_pb2_grpc import SyncServiceStub
from inkling_server.auth import Identity, Kind, MemoryAuthenticator
from inkling_server.days import SECONDS_A_DAY, day_number
from inkling_server.errors import StartError, StoreUnavailable
from inkling_server.policy import Policy
from inkling_server.policy_book import PolicyBook
from inkling_server.profile import Profile, block_topic, pause
from inkling_server.rate_limit import RateLimit
from inkling_server.services.profiles import ProfileService
from inkling_server.services.serving import GrpcServer
from inkling_server.services.sync import Load, SyncService
from inkling_server.stores import Revision
from inkling_server.stores.memory import MemoryStore

NOW = dt.datetime(2026, 5, 9, 10, tzinfo=dt.UTC)
WALKING = 672


class FailingStore(MemoryStore):
    """A memory store that can be made unwritable."""

    failing = False

    async def save(self, account: str, profile: Profile, *, expected: Revision) -> Revision:
        if self.failing:
            raise StoreUnavailable("the store cannot be written: disk full")
        return await super().save(account, profile, expected=expected)


@dataclass
class World:
    """A server, and what stands behind it."""

    channel: grpc.aio.Channel
    store: FailingStore
    authenticator: MemoryAuthenticator
    policy: PolicyBook
    load: Load
    clock: list[dt.datetime] = field(default_factory=lambda: [NOW])

    @property
    def sync(self) -> Any:
        return SyncServiceStub(self.channel)

    @property
    def profiles(self) -> Any:
        return ProfileServiceStub(self.channel)

    async def push(self, *events: tuple[int, int], sequence: int = 1, token: str = "ada") -> sync_pb2.PushResponse:
        answer: sync_pb2.PushResponse = await self.sync.Push(
            request(*events, sequence=sequence), metadata=bearer(token)
        )
        return answer

    async def read(self, token: str = "reader", account: str = "ada") -> profiles_pb2.GetProfileResponse:
        asked = profiles_pb2.GetProfileRequest(account=account)
        answer: profiles_pb2.GetProfileResponse = await self.profiles.GetProfile(asked, metadata=bearer(token))
        return answer


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A server on a free port, with devices of three accounts and a reader."""
    authenticator = MemoryAuthenticator(
        {
            "ada": Identity(Kind.DEVICE, "ada", "ada's glasses", "US", 1990),
            "ada2": Identity(Kind.DEVICE, "ada", "ada's other glasses", "US", 1990),
            "anna": Identity(Kind.DEVICE, "anna", "anna's glasses", "DE", 1990),
            "kim": Identity(Kind.DEVICE, "kim", "kim's glasses", "US", 2015),
            "reader": Identity(Kind.READER),
        }
    )
    clock = [NOW]
    store, policy, load = FailingStore(), PolicyBook.open(tmp_path, NOW), Load(busy=1000, maximum=2000)
    sync = SyncService(
        store=store,
        authenticator=authenticator,
        policy=policy,
        rate_limit=RateLimit(0.001, 40),
        load=load,
        clock=lambda: clock[0],
    )
    profiles = ProfileService(
        store=store, authenticator=authenticator, policy=policy, provider_name="Test", clock=lambda: clock[0]
    )
    server = GrpcServer("127.0.0.1:0", sync, profiles)
    async with server.serving(), grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield World(channel, store, authenticator, policy, load, clock)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


def request(*events: tuple[int, int], sequence: int = 1) -> sync_pb2.PushRequest:
    """A batch of topics and percentages, by voice and of today."""
    message = sync_pb2.PushRequest(sequence=sequence)
    message.events.first_day_time.seconds = day_number(NOW) * SECONDS_A_DAY
    for topic, percentage in events:
        message.events.topics.append(topic)
        message.events.day_offsets.append(0)
        message.events.sources.append(InterestSource.INTEREST_SOURCE_VOICE)
        message.events.percentages.append(percentage)
    return message


@dataclass(frozen=True)
class Failure:
    """What a failed call said."""

    code: grpc.StatusCode
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    retries: bool = False


async def failure(call: Any) -> Failure:
    """How a call fails, as a device would read it."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    trailers = dict(caught.value.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == caught.value.code().value[0]
    found = Failure(caught.value.code())
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
            assert info.domain == "inkling"
            found = replace(found, reason=info.reason, metadata=dict(info.metadata))
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            assert retry.retry_delay.ToMilliseconds() > 0
            found = replace(found, retries=True)
    return found


class TestPush:
    """Batches of devices."""

    async def test_counts_exactly_once(self, world: World) -> None:
        """A batch is taken; sent again it is answered with the sequence held and nothing taken."""
        first = await world.push((WALKING, 90), (371, 80))
        assert (first.last_sequence, first.accepted_count, list(first.rejections)) == (1, 2, [])
        again = await world.push((WALKING, 90), (371, 80))
        assert (again.last_sequence, again.accepted_count) == (1, 0)
        assert [(found.topic, found.score) for found in (await world.read()).interests] == [(WALKING, 0.9), (371, 0.8)]

    async def test_rejects_singly(self, world: World) -> None:
        """A bad event is rejected, the rest counts, and a repetition rejects nothing."""
        answer = await world.push((WALKING, 0), (WALKING, 90), (1, 90))
        assert answer.accepted_count == 1
        assert [(rejection.index, rejection.reason) for rejection in answer.rejections] == [
            (0, sync_pb2.REJECTION_REASON_PERCENTAGE),
            (2, sync_pb2.REJECTION_REASON_TOPIC),
        ]
        assert not (await world.push((WALKING, 0), (WALKING, 90), (1, 90))).rejections

    async def test_a_gap_tells_where_to_go_on(self, world: World) -> None:
        """A batch that skips is refused with the last sequence held."""
        await world.push((WALKING, 90))
        refused = await failure(world.push((WALKING, 90), sequence=5))
        assert refused == Failure(grpc.StatusCode.FAILED_PRECONDITION, "SEQUENCE_GAP", {"last_sequence": "1"})

    async def test_a_malformed_batch_can_be_replaced_by_an_empty_one(self, world: World) -> None:
        """The device sends an empty batch under the refused one's number and goes on."""
        malformed = request((WALKING, 90))
        malformed.events.percentages.append(1)
        refused = await failure(world.sync.Push(malformed, metadata=bearer("ada")))
        assert refused == Failure(grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_BATCH")
        assert (await world.push(sequence=1)).last_sequence == 1
        assert (await world.push((WALKING, 90), sequence=2)).accepted_count == 1

    @pytest.mark.parametrize("device", ["anna", "kim"])
    async def test_without_standing_nothing_is_recorded(self, world: World, device: str) -> None:
        """An excluded region or a minor: the sequence counts, every event is rejected, the profile stays empty."""
        answer = await world.push((WALKING, 90), (WALKING, 90), token=device)
        assert (answer.last_sequence, answer.accepted_count) == (1, 0)
        assert [rejection.reason for rejection in answer.rejections] == [sync_pb2.REJECTION_REASON_STANDING] * 2
        profile, _ = await world.store.load(device)
        assert list(profile.sightings()) == []

    async def test_while_paused_nothing_is_recorded(self, world: World) -> None:
        """The same for a profile that its wearer has paused."""
        await world.store.save("ada", pause(Profile(), True), expected=Revision(0))
        answer = await world.push((WALKING, 90))
        assert (answer.last_sequence, answer.accepted_count) == (1, 0)
        assert [rejection.reason for rejection in answer.rejections] == [sync_pb2.REJECTION_REASON_STANDING]

    async def test_what_is_blocked_is_told_as_not_taken(self, world: World) -> None:
        """Each blocked event by its place in the batch, the rest counts, and a repetition counts nothing."""
        await world.store.save("ada", block_topic(Profile(), 371), expected=Revision(0))
        batch = ((371, 90), (1, 90), (WALKING, 90), (371, 80))
        answer = await world.push(*batch)
        assert (answer.last_sequence, answer.accepted_count) == (1, 1)
        assert [(rejection.index, rejection.reason) for rejection in answer.rejections] == [
            (0, sync_pb2.REJECTION_REASON_BLOCKED),
            (1, sync_pb2.REJECTION_REASON_TOPIC),
            (3, sync_pb2.REJECTION_REASON_BLOCKED),
        ]
        again = await world.push(*batch)
        assert (again.last_sequence, again.accepted_count, list(again.rejections)) == (1, 0, [])
        assert [found.topic for found in (await world.read()).interests] == [WALKING]

    async def test_identity_is_that_of_the_token(self, world: World) -> None:
        """Two glasses of an account count their own sequences into one profile."""
        await world.push((WALKING, 90))
        await world.push((WALKING, 90), token="ada2")
        (found,) = (await world.read()).interests
        assert found.source_counts[0].count == 2

    async def test_a_store_that_cannot_be_written_is_said_and_nothing_is_lost(self, world: World) -> None:
        """UNAVAILABLE with a time to come back; the same batch is taken afterwards."""
        world.store.failing = True
        refused = await failure(world.push((WALKING, 90)))
        assert refused == Failure(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", retries=True)
        world.store.failing = False
        assert (await world.push((WALKING, 90))).accepted_count == 1

    async def test_too_many_batches_are_told_to_slow_down(self, world: World) -> None:
        """Beyond the burst a pairing is refused with a time to come back; another is not."""
        for sequence in range(1, 41):
            await world.push(sequence=sequence)
        refused = await failure(world.push(sequence=41))
        assert refused == Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_DOWN", retries=True)
        await world.push(token="ada2")

    async def test_an_erased_account_ends_its_pairings(self, world: World) -> None:
        """Glasses of an account that was erased are told to wipe."""
        await world.store.delete("ada")
        refused = await failure(world.push((WALKING, 90)))
        assert refused == Failure(grpc.StatusCode.UNAUTHENTICATED, "PAIRING_ENDED")


CREDENTIALS = [
    ((), grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"),
    ((("authorization", "ada"),), grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"),
    ((("authorization", "Basic ada"),), grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"),
    ((("authorization", "Bearer "),), grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"),
    (bearer("forged"), grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID"),
    (bearer("reader"), grpc.StatusCode.PERMISSION_DENIED, "WRONG_CREDENTIAL"),
]


@pytest.mark.parametrize(("metadata", "code", "reason"), CREDENTIALS)
async def test_device_calls_take_device_tokens_only(
    world: World, metadata: Sequence[tuple[str, str]], code: grpc.StatusCode, reason: str
) -> None:
    """Missing, malformed, forged and foreign credentials are refused by every call."""
    assert await failure(world.sync.Push(request(), metadata=metadata)) == Failure(code, reason)
    assert await failure(world.sync.GetPolicy(sync_pb2.GetPolicyRequest(), metadata=metadata)) == Failure(code, reason)
    stream = world.sync.PushStream(iter([request()]), metadata=metadata)
    assert await failure(stream.read()) == Failure(code, reason)
    assert await world.store.load("ada") == (Profile(), 0)


class TestPushStream:
    """Batches of glasses in use."""

    async def test_answers_in_order(self, world: World) -> None:
        """As many answers as batches, each with its sequence; a repetition is answered in its place."""
        batches = [request((WALKING, 90), sequence=sequence) for sequence in (1, 2, 2, 3)]
        answers = [answer async for answer in world.sync.PushStream(iter(batches), metadata=bearer("ada"))]
        assert [(answer.last_sequence, answer.accepted_count) for answer in answers] == [(1, 1), (2, 1), (2, 0), (3, 1)]

    async def test_the_first_failure_ends_it(self, world: World) -> None:
        """What came before a failure is answered and kept; what comes after is not looked at."""
        batches = [request((WALKING, 90), sequence=sequence) for sequence in (1, 3, 2)]
        stream = world.sync.PushStream(iter(batches), metadata=bearer("ada"))
        assert (await stream.read()).last_sequence == 1
        refused = await failure(stream.read())
        assert refused == Failure(grpc.StatusCode.FAILED_PRECONDITION, "SEQUENCE_GAP", {"last_sequence": "1"})
        assert (await world.store.load("ada"))[0].last_sequence("ada's glasses") == 1

    async def test_the_end_of_the_pairing_ends_it(self, world: World) -> None:
        """A stream does not outlive its pairing."""
        stream = world.sync.PushStream(metadata=bearer("ada"))
        await stream.write(request((WALKING, 90), sequence=1))
        assert (await stream.read()).last_sequence == 1
        world.authenticator.ended.add("ada's glasses")
        await stream.write(request((WALKING, 90), sequence=2))
        assert await failure(stream.read()) == Failure(grpc.StatusCode.UNAUTHENTICATED, "PAIRING_ENDED")


class TestGetPolicy:
    """The policy as devices get it."""

    async def test_gives_the_signed_policy_and_the_standing(self, world: World) -> None:
        """All that a device needs to judge by itself."""
        await world.push((WALKING, 90))
        answer = await world.sync.GetPolicy(sync_pb2.GetPolicyRequest(), metadata=bearer("ada"))
        assert answer.signed_policy == world.policy.signed
        assert answer.standing == Standing.STANDING_ELIGIBLE
        assert (answer.home_region, answer.birth_year, answer.last_sequence) == ("US", 1990, 1)
        assert answer.server_time.ToDatetime(tzinfo=dt.UTC) == NOW

    @pytest.mark.parametrize(
        ("device", "standing"),
        [("anna", Standing.STANDING_REGION_EXCLUDED), ("kim", Standing.STANDING_UNDER_AGE)],
    )
    async def test_tells_who_is_left_out(self, world: World, device: str, standing: Standing) -> None:
        """An excluded region and a minor."""
        answer = await world.sync.GetPolicy(sync_pb2.GetPolicyRequest(), metadata=bearer(device))
        assert answer.standing == standing

    async def test_tells_that_the_profile_is_paused(self, world: World) -> None:
        """The pause is the wearer's, and devices follow it."""
        await world.store.save("ada", pause(Profile(), True), expected=Revision(0))
        answer = await world.sync.GetPolicy(sync_pb2.GetPolicyRequest(), metadata=bearer("ada"))
        assert answer.standing == Standing.STANDING_PAUSED


class TestProfiles:
    """Profiles as readers get them."""

    async def test_interests_come_with_reasons(self, world: World) -> None:
        """Names, dates and a sentence, the strongest first, as many as asked for."""
        await world.push((371, 50), (WALKING, 90), (WALKING, 90))
        answer = await world.read()
        assert answer.standing == Standing.STANDING_ELIGIBLE
        assert [found.name for found in answer.interests] == [
            "Interest | Sports | Walking",
            "Interest | Food & Drink | Cooking",
        ]
        assert answer.interests[0].reason == "You asked the assistant about this 2 times by voice on 9 May 2026."
        limited = profiles_pb2.GetProfileRequest(account="ada", maximum_interests=1)
        answer = await world.profiles.GetProfile(limited, metadata=bearer("reader"))
        assert [found.topic for found in answer.interests] == [WALKING]

    async def test_segments_are_openrtb(self, world: World) -> None:
        """One data object of the audience taxonomy, with as many segments as asked for."""
        await world.push((371, 50), (WALKING, 90))
        asked = profiles_pb2.GetSegmentsRequest(account="ada", maximum_segments=1)
        (data,) = (await world.profiles.GetSegments(asked, metadata=bearer("reader"))).data
        assert (data.name, data.ext.segtax) == ("Test", 4)
        assert [(segment.id, segment.value) for segment in data.segment] == [("672", "0.900")]

    async def test_a_blocked_topic_is_gone_at_the_next_read(self, world: World) -> None:
        """What the wearer blocks, no reader sees."""
        await world.push((371, 50), (WALKING, 90))
        profile, revision = await world.store.load("ada")
        await world.store.save("ada", block_topic(profile, WALKING), expected=revision)
        assert [found.topic for found in (await world.read()).interests] == [371]

    async def test_a_paused_profile_gives_nothing(self, world: World) -> None:
        """Neither interests nor segments, and the standing says why."""
        await world.push((WALKING, 90))
        profile, revision = await world.store.load("ada")
        await world.store.save("ada", pause(profile, True), expected=revision)
        answer = await world.read()
        assert (answer.standing, list(answer.interests)) == (Standing.STANDING_PAUSED, [])
        asked = profiles_pb2.GetSegmentsRequest(account="ada")
        assert not (await world.profiles.GetSegments(asked, metadata=bearer("reader"))).data

    async def test_interests_expire_with_the_clock(self, world: World) -> None:
        """A profile that nobody adds to empties by itself."""
        await world.push((WALKING, 90))
        world.clock[0] = NOW + dt.timedelta(days=Policy().maximum_age_days + 7)
        assert not (await world.read()).interests

    async def test_a_device_reads_no_profile(self, world: World) -> None:
        """Not even its own account's: what is lost with the glasses stays unreadable."""
        for call in (world.profiles.GetProfile, world.profiles.GetSegments):
            refused = await failure(call(profiles_pb2.GetProfileRequest(account="ada"), metadata=bearer("ada")))
            assert refused == Failure(grpc.StatusCode.PERMISSION_DENIED, "WRONG_CREDENTIAL")

    async def test_unknown_and_erased_accounts_are_not_found(self, world: World) -> None:
        """Both read the same."""
        await world.store.delete("ada")
        for account in ("", "nobody", "ada"):
            assert await failure(world.read("reader", account)) == Failure(grpc.StatusCode.NOT_FOUND)


async def test_health_and_reflection_answer(world: World) -> None:
    """The server and both services serve, and a client can list them."""
    health: Any = health_pb2_grpc.HealthStub(world.channel)
    for service in ("", "inkling.sync.v1.SyncService", "inkling.profiles.v1.ProfileService"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(world.channel)  # type: ignore[arg-type]  # the same
    listing = reflection.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    names = {service.name for service in (await listing.read()).list_services_response.service}
    assert {"inkling.sync.v1.SyncService", "inkling.profiles.v1.ProfileService", "grpc.health.v1.Health"} <= names
    listing.cancel()


async def test_a_port_in_use_is_told() -> None:
    """A second server on the same port is refused, not given a share of the calls."""
    services: Any = create_autospec(SyncService, instance=True), create_autospec(ProfileService, instance=True)
    first = GrpcServer("127.0.0.1:0", *services)
    async with first.serving():
        with pytest.raises(StartError, match="--grpc-address"):
            GrpcServer(f"127.0.0.1:{first.port}", *services)
