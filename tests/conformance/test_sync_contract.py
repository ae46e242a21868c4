"""What devices may rely on: the server and the fake that ships with the agent pass the same tests."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from inkling import topics
from inkling.sync.v1 import sync_pb2
from inkling_device import wire
from inkling_device.clock import ManualClock
from inkling_device.credentials import Credentials
from inkling_device.errors import BatchRefused, OAuthRefused, PairingEnded, SequenceGap, TokenRefused
from inkling_device.oauth import DeviceCode, OAuthClient
from inkling_device.observation import InterestEvent, Source
from inkling_device.outbox import Batch
from inkling_device.policy import verified
from inkling_device.testing import FakeServer
from inkling_device.transport import Transport
from inkling_device.uplink import Uplink
from inkling_emulator.wearer import Login, Wearer
from inkling_server import app
from inkling_server.settings import Settings

NOON = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
PLAIN = Transport(insecure=True)
TOPICS = sorted(topics.sendable())
WITHHELD = min(topics.withheld())


class Person(Protocol):
    """The wearer, at the server's page."""

    async def approve(self, code: DeviceCode) -> None: ...


class FakePerson:
    def __init__(self, server: FakeServer) -> None:
        self._server = server

    async def approve(self, code: DeviceCode) -> None:
        self._server.approved.add(code.user_code)


class BrowserPerson:
    def __init__(self, wearer: Wearer) -> None:
        self._wearer = wearer

    async def approve(self, code: DeviceCode) -> None:
        await self._wearer.let_in(code.user_code, "glasses")


@dataclass(frozen=True, slots=True)
class Contract:
    """A server, its wearer, and a device's way of calling it."""

    oauth: OAuthClient
    person: Person
    clock: ManualClock

    async def pair(self) -> Credentials:
        code = await self.oauth.device_authorization()
        await self.person.approve(code)
        return await self.oauth.exchange(code.device_code)


@contextlib.asynccontextmanager
async def fake_server(directory: Path, clock: ManualClock) -> AsyncIterator[Contract]:
    async with FakeServer(clock.now) as server:
        yield Contract(OAuthClient(server.web_address, PLAIN, clock), FakePerson(server), clock)


@contextlib.asynccontextmanager
async def real_server(directory: Path, clock: ManualClock) -> AsyncIterator[Contract]:
    settings = Settings(data_dir=directory, grpc_address="127.0.0.1:0", web_address="127.0.0.1:0")
    login = Login("wearer@conformance.example", "correct horse battery")
    async with app.running(settings, clock=clock.now) as addresses, Wearer(addresses.web, login) as wearer:
        await wearer.sign_up(home_region="US", birth_year=1980)
        yield Contract(OAuthClient(addresses.web, PLAIN, clock), BrowserPerson(wearer), clock)


Starter = Callable[[Path, ManualClock], contextlib.AbstractAsyncContextManager[Contract]]


@pytest.fixture(params=[fake_server, real_server], ids=["fake", "server"])
async def contract(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Contract]:
    start: Starter = request.param
    async with start(tmp_path / "server", ManualClock(NOON)) as contract:
        yield contract


@pytest.fixture
async def held(contract: Contract) -> Credentials:
    return await contract.pair()


@pytest.fixture
async def uplink(held: Credentials) -> AsyncIterator[Uplink]:
    uplink = Uplink(PLAIN, held.grpc_target)
    yield uplink
    await uplink.close()


def request_of(sequence: int, count: int = 2, *, topic: int | None = None) -> sync_pb2.PushRequest:
    events = [InterestEvent(topic or TOPICS[number], Source.VOICE, NOON.date(), 90) for number in range(count)]
    return wire.push_request(Batch(sequence, events))


@pytest.mark.parametrize("more", [False, True], ids=["unary", "stream"])
async def test_batches_are_taken_in_order_and_once(held: Credentials, uplink: Uplink, more: bool) -> None:
    answers = [await uplink.push(held.access_token, request_of(number), more=more) for number in (1, 2, 2, 1, 3)]
    assert [answer.last_sequence for answer in answers] == [1, 2, 2, 2, 3]
    assert [answer.accepted_count for answer in answers] == [2, 2, 0, 0, 2]


async def test_an_empty_batch_counts_as_a_batch(held: Credentials, uplink: Uplink) -> None:
    answer = await uplink.push(held.access_token, sync_pb2.PushRequest(sequence=1), more=False)
    assert (answer.last_sequence, answer.accepted_count) == (1, 0)


@pytest.mark.parametrize("more", [False, True], ids=["unary", "stream"])
async def test_a_gap_is_refused_and_the_last_sequence_named(held: Credentials, uplink: Uplink, more: bool) -> None:
    await uplink.push(held.access_token, request_of(1), more=more)
    with pytest.raises(SequenceGap) as caught:
        await uplink.push(held.access_token, request_of(3), more=more)
    assert caught.value.last_sequence == 1


async def test_an_event_that_is_not_valid_leaves_the_rest(held: Credentials, uplink: Uplink) -> None:
    request = request_of(1, count=3)
    request.events.topics[1] = WITHHELD
    answer = await uplink.push(held.access_token, request, more=False)
    assert answer.accepted_count == 2
    assert wire.rejections(answer) == {1: "TOPIC"}


async def test_events_of_the_future_are_not_taken(held: Credentials, uplink: Uplink) -> None:
    request = request_of(1, count=2)
    request.events.day_offsets[1] = 40
    answer = await uplink.push(held.access_token, request, more=False)
    assert wire.rejections(answer) == {1: "FUTURE"}


async def test_a_batch_that_makes_no_sense_is_refused_whole_and_an_empty_one_taken(
    held: Credentials, uplink: Uplink
) -> None:
    uneven = request_of(1)
    uneven.events.topics.append(TOPICS[0])
    for malformed in (uneven, request_of(0), request_of(1, count=257, topic=TOPICS[0])):
        with pytest.raises(BatchRefused) as caught:
            await uplink.push(held.access_token, malformed, more=False)
        assert caught.value.reason == "MALFORMED_BATCH"
    answer = await uplink.push(held.access_token, sync_pb2.PushRequest(sequence=1), more=False)
    assert answer.last_sequence == 1


async def test_the_policy_is_signed_with_the_key_of_the_pairing(held: Credentials, uplink: Uplink) -> None:
    await uplink.push(held.access_token, request_of(1), more=False)
    answer = await uplink.get_policy(held.access_token, 0)
    policy = verified(answer.signed_policy, held.policy_key)
    assert policy.version >= 1
    assert policy.expires > NOON
    assert policy.maximum_batch_events == 256
    assert (answer.home_region, answer.birth_year, answer.last_sequence) == ("US", 1980, 1)
    assert answer.server_time.ToDatetime(tzinfo=dt.UTC) == NOON


async def test_tokens_that_are_unknown_or_ended_are_refused_as_such(
    contract: Contract, held: Credentials, uplink: Uplink
) -> None:
    with pytest.raises(TokenRefused):
        await uplink.push("nobody's", request_of(1), more=False)
    contract.clock.advance((held.expires - contract.clock.now()).total_seconds() + 1)
    with pytest.raises(TokenRefused):
        await uplink.push(held.access_token, request_of(1), more=False)
    renewed = await contract.oauth.refresh(held.refresh_token)
    assert (await uplink.push(renewed.access_token, request_of(1), more=False)).accepted_count == 2


async def test_two_pairings_count_apart(contract: Contract, held: Credentials, uplink: Uplink) -> None:
    other = await contract.pair()
    assert other.pairing != held.pairing
    await uplink.push(held.access_token, request_of(1), more=False)
    assert (await uplink.push(other.access_token, request_of(1), more=False)).accepted_count == 2


async def test_a_code_is_exchanged_after_the_wearer_has_entered_it_and_once(contract: Contract) -> None:
    code = await contract.oauth.device_authorization()
    with pytest.raises(OAuthRefused) as pending:
        await contract.oauth.exchange(code.device_code)
    assert pending.value.code == "authorization_pending"
    contract.clock.advance(code.interval)
    await contract.person.approve(code)
    await contract.oauth.exchange(code.device_code)
    contract.clock.advance(code.interval)
    with pytest.raises(OAuthRefused) as used:
        await contract.oauth.exchange(code.device_code)
    assert used.value.code == "invalid_grant"


async def test_a_lost_answer_to_a_refresh_can_be_asked_for_once_more(
    contract: Contract, held: Credentials, uplink: Uplink
) -> None:
    await contract.oauth.refresh(held.refresh_token)
    again = await contract.oauth.refresh(held.refresh_token)
    assert (await uplink.push(again.access_token, request_of(1), more=False)).accepted_count == 2


async def test_a_refresh_token_used_again_after_its_successor_was_ends_the_pairing(
    contract: Contract, held: Credentials, uplink: Uplink
) -> None:
    renewed = await contract.oauth.refresh(held.refresh_token)
    renewed = await contract.oauth.refresh(renewed.refresh_token)
    await uplink.push(renewed.access_token, request_of(1), more=False)
    with pytest.raises(OAuthRefused) as reused:
        await contract.oauth.refresh(held.refresh_token)
    assert reused.value.code == "invalid_grant"
    with pytest.raises(PairingEnded):
        await uplink.push(renewed.access_token, request_of(2), more=False)
    with pytest.raises(OAuthRefused):
        await contract.oauth.refresh(renewed.refresh_token)


async def test_a_refresh_token_is_good_for_one_repetition_only(contract: Contract, held: Credentials) -> None:
    await contract.oauth.refresh(held.refresh_token)
    await contract.oauth.refresh(held.refresh_token)
    with pytest.raises(OAuthRefused):
        await contract.oauth.refresh(held.refresh_token)


async def test_a_refresh_token_used_again_after_a_minute_ends_the_pairing(
    contract: Contract, held: Credentials, uplink: Uplink
) -> None:
    renewed = await contract.oauth.refresh(held.refresh_token)
    contract.clock.advance(61)
    with pytest.raises(OAuthRefused):
        await contract.oauth.refresh(held.refresh_token)
    with pytest.raises(PairingEnded):
        await uplink.push(renewed.access_token, request_of(1), more=False)


async def test_revoking_ends_the_pairing(contract: Contract, held: Credentials, uplink: Uplink) -> None:
    await contract.oauth.revoke(held.refresh_token)
    with pytest.raises(PairingEnded):
        await uplink.get_policy(held.access_token, 0)
    with pytest.raises(OAuthRefused):
        await contract.oauth.refresh(held.refresh_token)


async def test_revoking_what_nobody_holds_is_no_error(contract: Contract) -> None:
    """RFC 7009 section 2.2."""
    await contract.oauth.revoke("nobody's")
