"""The sync client against a server of the contract: everything counts once, and no failure is ever spun on."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from inkling import topics
from inkling.policy.v1 import policy_pb2
from inkling_device.backoff import BASE, CAP
from inkling_device.clock import ManualClock
from inkling_device.credentials import FILE_NAME as CREDENTIALS
from inkling_device.database import ReadOnlyDatabase
from inkling_device.errors import (
    CallRefused,
    NeverAgain,
    NotPaired,
    PairingEnded,
    SlowDown,
    StateFullError,
    TokenRefused,
    TryAgain,
)
from inkling_device.ledger import Ledger, SyncFailure
from inkling_device.observation import InterestEvent, Source
from inkling_device.policy import Refusal
from inkling_device.sync import LOGIN_INTERVAL, LONGEST_REST, POLICY_INTERVAL
from inkling_device.testing import Failure, FakeServer, Glasses

NOON = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
TOPICS = sorted(topics.sendable())


def events(count: int, *, start: int = 0) -> list[InterestEvent]:
    return [InterestEvent(TOPICS[start + number], Source.VOICE, NOON.date(), 90) for number in range(count)]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
async def server(clock: ManualClock) -> AsyncIterator[FakeServer]:
    async with FakeServer(clock.now) as server:
        yield server


@pytest.fixture
async def glasses(tmp_path: Path, server: FakeServer, clock: ManualClock) -> AsyncIterator[Glasses]:
    glasses = Glasses(tmp_path / "state", server, clock)
    await glasses.pair()
    yield glasses
    await glasses.close()


@contextlib.asynccontextmanager
async def running(glasses: Glasses) -> AsyncIterator[None]:
    """The client's loop, stopped at the end; what it raised is raised."""
    stop = asyncio.Event()
    task = asyncio.create_task(glasses.sync.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def test_what_was_appended_is_merged_and_gone(glasses: Glasses, server: FakeServer) -> None:
    glasses.outbox.append(events(3))
    await glasses.sync.drain()
    assert server.merged() == events(3)
    assert glasses.ledger.totals().unsent == 0
    assert [(sent.batch.sequence, sent.accepted) for sent in glasses.sent] == [(1, 3)]
    assert glasses.sent[0].wire_bytes == len(server.requests[0])


async def test_a_single_batch_goes_alone_and_more_of_them_on_a_stream(glasses: Glasses, server: FakeServer) -> None:
    glasses.outbox.append(events(256))
    await glasses.sync.drain()
    assert (len(server.requests), server.streamed) == (1, 0)
    glasses.outbox.append(events(256 * 2 + 1))
    await glasses.sync.drain()
    assert (len(server.requests), server.streamed) == (4, 2)
    assert len(server.merged()) == 256 * 3 + 1


async def test_where_streams_do_not_get_through_single_calls_do(glasses: Glasses, server: FakeServer) -> None:
    server.streaming = False
    glasses.outbox.append(events(600))
    await glasses.sync.drain()
    assert (len(server.merged()), server.streamed) == (600, 0)


async def test_a_batch_holds_no_more_than_the_policy_allows(glasses: Glasses, server: FakeServer) -> None:
    server.sign_policy(maximum_batch_events=10)
    glasses.outbox.append(events(25))
    await glasses.sync.drain()
    assert [len(sent.batch.events) for sent in glasses.sent] == [10, 10, 5]


async def test_a_lost_answer_makes_nothing_count_twice(glasses: Glasses, server: FakeServer) -> None:
    glasses.outbox.append(events(3))
    server.lost_answers = {1}
    with pytest.raises(TryAgain):
        await glasses.sync.drain()
    glasses.outbox.append(events(2, start=3))
    await glasses.sync.drain()
    assert server.merged() == events(5)
    assert server.requests[0] == server.requests[1], "sent again to the byte"
    assert [sent.accepted for sent in glasses.sent] == [0, 2]


async def test_a_lost_answer_on_a_stream_makes_nothing_count_twice(glasses: Glasses, server: FakeServer) -> None:
    glasses.outbox.append(events(700))
    server.lost_answers = {2}
    await glasses.sync.drain()
    assert server.merged() == events(700)
    assert (len(server.requests), server.streamed) == (4, 1)


async def test_what_waited_through_an_outage_and_a_restart_arrives(
    tmp_path: Path, glasses: Glasses, server: FakeServer, clock: ManualClock
) -> None:
    await server.stop_grpc()
    glasses.outbox.append(events(4))
    with pytest.raises(TryAgain):
        await glasses.sync.drain()
    await glasses.close()
    await server.start_grpc()
    again = Glasses(tmp_path / "state", server, clock)
    await again.sync.drain()
    assert server.merged() == events(4)
    await again.close()


async def test_events_refused_singly_leave_the_rest(glasses: Glasses, server: FakeServer) -> None:
    withheld = next(iter(topics.withheld()))
    glasses.outbox.append([*events(1), InterestEvent(withheld, Source.TEXT, NOON.date(), 50)])
    await glasses.sync.drain()
    assert server.merged() == events(1)
    assert [(entry.outcome.value, entry.reason) for entry in glasses.ledger.entries()] == [
        ("taken", None),
        ("refused", "TOPIC"),
    ]


async def test_a_batch_refused_as_a_whole_is_set_aside_and_does_not_block_the_rest(
    glasses: Glasses, server: FakeServer
) -> None:
    bad = TOPICS[0]
    server.malformed = lambda request: bad in request.events.topics
    server.sign_policy(maximum_batch_events=2)
    glasses.outbox.append(events(4))
    await glasses.sync.drain()
    assert server.merged() == events(2, start=2)
    assert [len(batch) for pairing in server.pairings.values() for batch in pairing.batches] == [0, 2]
    assert glasses.ledger.totals().set_aside == 2


async def test_a_server_that_refuses_even_empty_batches_is_not_spun_on(glasses: Glasses, server: FakeServer) -> None:
    server.malformed = lambda request: True
    glasses.outbox.append(events(1))
    with pytest.raises(CallRefused, match="even an empty batch"):
        await glasses.sync.drain()
    assert len(server.requests) == 2
    async with running(glasses):
        assert CAP / 2 <= await glasses.clock.until_asleep() <= CAP
        assert len(server.requests) == 3


async def test_a_server_restored_from_a_backup_is_told_what_comes_next_under_its_number(
    glasses: Glasses, server: FakeServer
) -> None:
    for start in range(3):
        glasses.outbox.append(events(1, start=start))
        await glasses.sync.drain()
    server.restore_backup(1)
    glasses.outbox.append(events(1, start=3))
    await glasses.sync.drain()
    assert server.merged() == [*events(1), *events(1, start=3)]
    assert [sent.batch.sequence for sent in glasses.sent] == [1, 2, 3, 2]


async def test_a_server_that_sees_a_gap_where_there_is_none_is_not_believed(
    glasses: Glasses, server: FakeServer
) -> None:
    """Going on from a number past the batch would take it for merged, and lose it."""
    glasses.outbox.append(events(1))
    server.failures = [Failure(grpc.StatusCode.FAILED_PRECONDITION, "SEQUENCE_GAP", metadata={"last_sequence": "9"})]
    with pytest.raises(CallRefused, match="contradicts itself"):
        await glasses.sync.drain()
    await glasses.sync.drain()
    assert server.merged() == events(1)


async def test_an_outbox_begun_anew_goes_on_from_what_the_server_holds(
    tmp_path: Path, glasses: Glasses, server: FakeServer, clock: ManualClock
) -> None:
    glasses.outbox.append(events(3))
    await glasses.sync.drain()
    await glasses.close()
    (tmp_path / "state" / "outbox.sqlite").write_bytes(b"torn" * 5_000)
    again = Glasses(tmp_path / "state", server, clock)
    again.outbox.append(events(2, start=3))
    await again.sync.drain()
    assert server.merged() == events(5)
    assert again.sent[0].batch.sequence == 2
    await again.close()


async def test_an_outbox_begun_anew_while_the_agent_runs_asks_where_to_go_on(
    glasses: Glasses, server: FakeServer
) -> None:
    glasses.outbox.append(events(3))
    await glasses.sync.drain()
    glasses.database.wipe()
    glasses.outbox.append(events(2, start=3))
    await glasses.sync.drain()
    assert server.merged() == events(5)
    assert glasses.sent[-1].batch.sequence == 2


async def test_a_token_that_the_server_no_longer_takes_is_replaced(glasses: Glasses, server: FakeServer) -> None:
    server.expire_tokens()
    glasses.outbox.append(events(2))
    await glasses.sync.drain()
    assert server.merged() == events(2)


async def test_a_token_is_replaced_ahead_of_its_end(glasses: Glasses, server: FakeServer, clock: ManualClock) -> None:
    held = glasses.credentials.current
    assert held is not None
    clock.advance(3600 - 240)
    await glasses.sync.drain()
    renewed = glasses.credentials.current
    assert renewed is not None
    assert renewed.access_token != held.access_token
    assert renewed.expires > held.expires


async def test_a_server_that_takes_no_token_at_all_is_asked_seldom(glasses: Glasses, server: FakeServer) -> None:
    glasses.outbox.append(events(1))
    refused = Failure(grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
    server.failures = [refused] * 50
    with pytest.raises(TokenRefused):
        await glasses.sync.drain()
    assert len(server.failures) == 48
    async with running(glasses):
        assert await glasses.clock.until_asleep() >= CAP / 2
        assert len(server.failures) == 46


async def test_the_end_of_the_pairing_wipes_everything(
    tmp_path: Path, glasses: Glasses, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    glasses.outbox.append(events(2))
    await glasses.sync.drain()
    glasses.outbox.append(events(2, start=2))
    server.end_pairings()
    with pytest.raises(PairingEnded):
        await glasses.sync.drain()
    assert glasses.credentials.current is None
    assert glasses.policy.refusal() is Refusal.LOGGED_OUT
    assert glasses.ledger.entries() == []
    assert not (tmp_path / "state" / CREDENTIALS).exists()
    assert not (tmp_path / "state" / "policy.pb").exists()
    with pytest.raises(NotPaired):
        await glasses.sync.drain()


async def test_slow_down_is_obeyed_to_the_second(glasses: Glasses, server: FakeServer, clock: ManualClock) -> None:
    glasses.outbox.append(events(1))
    server.failures = [Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_DOWN", 40.0)]
    with pytest.raises(SlowDown):
        await glasses.sync.drain()
    async with running(glasses):
        rest = await clock.until_asleep()
        assert 40 <= rest <= 44
        glasses.sync.network_changed()
        clock.advance(39)
        await asyncio.sleep(0.05)
        assert len(server.requests) == 1, "a hint does not cut short what the server asked for"
        clock.advance(rest - 39)
        await until(lambda: len(server.merged()) == 1)


async def test_no_server_can_silence_a_device_for_long(glasses: Glasses, server: FakeServer) -> None:
    glasses.outbox.append(events(1))
    server.failures = [Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_DOWN", 1e9)]
    async with running(glasses):
        assert await glasses.clock.until_asleep() <= LONGEST_REST * 1.1


async def test_slow_down_without_a_time_is_no_invitation_to_spin(glasses: Glasses, server: FakeServer) -> None:
    glasses.outbox.append(events(1))
    server.failures = [Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_DOWN", 0.0)]
    async with running(glasses):
        assert 1 <= await glasses.clock.until_asleep() <= 1.1
        assert server.merged() == []


async def test_a_pause_in_the_answer_comes_before_the_next_batch(
    glasses: Glasses, server: FakeServer, clock: ManualClock
) -> None:
    server.sign_policy(maximum_batch_events=1)
    server.pause = 7.0
    glasses.outbox.append(events(2))
    draining = asyncio.create_task(glasses.sync.drain())
    rest = await clock.until_asleep()
    assert 7 <= rest <= 7.7
    assert len(server.merged()) == 1
    server.pause = 0.0
    clock.advance(rest)
    await draining
    assert len(server.merged()) == 2


async def until(condition: object) -> None:
    """Waits for what the server does in its own time; the test's time-out is the limit."""
    assert callable(condition)
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  (the server tells nobody)
            await asyncio.sleep(0.01)


async def test_the_loop_sends_what_is_appended_while_it_waits(
    glasses: Glasses, server: FakeServer, clock: ManualClock
) -> None:
    async with running(glasses):
        assert await clock.until_asleep() == POLICY_INTERVAL
        await asyncio.to_thread(glasses.outbox.append, events(2))
        await until(lambda: len(server.merged()) == 2)


class CountingClock(ManualClock):
    """Counts who sleeps."""

    sleeps = 0

    async def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        await super().sleep(seconds)


async def test_the_loop_rests_when_everything_is_sent(tmp_path: Path, server: FakeServer) -> None:
    clock = CountingClock(NOON)
    glasses = Glasses(tmp_path / "state", server, clock)
    await glasses.pair()
    async with running(glasses):
        await clock.until_asleep()
        glasses.outbox.append(events(2))
        await until(lambda: len(server.merged()) == 2)
        await asyncio.sleep(0.2)
        before = clock.sleeps
        await asyncio.sleep(0.2)
        assert clock.sleeps == before
    await glasses.close()


async def test_the_loop_backs_off_while_the_server_is_away_and_goes_on_when_told_of_the_network(
    glasses: Glasses, server: FakeServer, clock: ManualClock
) -> None:
    await server.stop_grpc()
    glasses.outbox.append(events(1))
    async with running(glasses):
        for attempt in range(4):
            rest = await clock.until_asleep()
            assert 0 <= rest <= BASE * 2**attempt
            clock.advance(rest)
            await asyncio.sleep(0.05)
        await clock.until_asleep()
        assert isinstance(glasses.sync.last_failure, TryAgain)
        await server.start_grpc()
        glasses.sync.network_changed()
        await until(lambda: len(server.merged()) == 1)
        await until(lambda: glasses.sync.last_failure is None)


async def test_while_logged_out_the_loop_waits_for_somebody_to_log_in(
    tmp_path: Path, server: FakeServer, clock: ManualClock
) -> None:
    glasses = Glasses(tmp_path / "other", server, clock)
    async with running(glasses):
        assert await clock.until_asleep() == LOGIN_INTERVAL
        assert server.policy_calls == 0
        await glasses.pair()
        clock.advance(LOGIN_INTERVAL)
        await until(lambda: glasses.policy.refusal() is None)
    await glasses.close()


async def test_nothing_is_sent_while_the_policy_refuses(glasses: Glasses, server: FakeServer) -> None:
    server.standing = policy_pb2.STANDING_PAUSED
    glasses.outbox.append(events(2))
    await glasses.sync.drain()
    assert server.requests == []
    assert glasses.policy.refusal() is Refusal.PAUSED
    server.standing = policy_pb2.STANDING_ELIGIBLE
    glasses.clock.advance(POLICY_INTERVAL)
    await glasses.sync.drain()
    assert server.merged() == events(2)


async def test_a_pause_is_noticed_as_soon_as_a_batch_is_refused_for_it(glasses: Glasses, server: FakeServer) -> None:
    await glasses.sync.drain()
    server.standing = policy_pb2.STANDING_PAUSED
    glasses.outbox.append(events(1))
    await glasses.sync.drain()
    assert glasses.policy.refusal() is Refusal.PAUSED
    assert [entry.reason for entry in glasses.ledger.entries()] == ["STANDING"]


async def test_a_policy_with_a_wrong_signature_stops_sending_and_keeps_the_good_one(
    glasses: Glasses, server: FakeServer
) -> None:
    await glasses.sync.drain()
    server.signed_policy.signature = bytes(64)
    glasses.clock.advance(POLICY_INTERVAL)
    glasses.outbox.append(events(1))
    async with running(glasses):
        assert await glasses.clock.until_asleep() >= CAP / 2
    assert server.requests == []
    assert glasses.policy.refusal() is None


async def test_a_wrong_clock_is_set_right_by_the_server_before_anything_is_sent(
    tmp_path: Path, glasses: Glasses, server: FakeServer
) -> None:
    await glasses.close()
    ahead = ManualClock(NOON + dt.timedelta(days=3_000))
    again = Glasses(tmp_path / "state", server, ahead)
    again.outbox.append([InterestEvent(TOPICS[0], Source.VOICE, ahead.now().date(), 90)])
    server.now = lambda: NOON
    server.expire_tokens()
    await again.sync.drain()
    assert [event.day for event in server.merged()] == [NOON.date()]
    assert ahead.now() == NOON
    await again.close()


async def test_two_drains_at_once_send_one_batch_at_a_time(glasses: Glasses, server: FakeServer) -> None:
    glasses.outbox.append(events(600))
    await asyncio.gather(glasses.sync.drain(), glasses.sync.drain())
    assert server.merged() == events(600)
    assert len(server.requests) == 3


async def test_stopping_in_the_middle_of_a_batch_loses_nothing(
    tmp_path: Path, glasses: Glasses, server: FakeServer, clock: ManualClock
) -> None:
    server.sign_policy(maximum_batch_events=5)
    glasses.outbox.append(events(200))
    stop = asyncio.Event()
    task = asyncio.create_task(glasses.sync.run(stop))
    await until(lambda: len(server.requests) >= 4)
    stop.set()
    await task
    await glasses.close()
    assert len(server.merged()) < 200
    again = Glasses(tmp_path / "state", server, clock)
    await again.sync.drain()
    assert server.merged() == events(200)
    await again.close()


def shown(directory: Path) -> SyncFailure | None:
    """What another process is shown as the reason of the last failure."""
    return Ledger(ReadOnlyDatabase(directory), ManualClock(NOON)).sync_failure()


def no_room(failure: str | None) -> None:
    """In place of `Outbox.note_sync`."""
    raise StateFullError("the disk is full")


async def test_why_an_attempt_failed_can_be_read_beside_the_agent_until_one_succeeds(
    tmp_path: Path, glasses: Glasses, server: FakeServer, clock: ManualClock
) -> None:
    await server.stop_grpc()
    with pytest.raises(TryAgain) as caught:
        await glasses.sync.drain()
    assert shown(tmp_path / "state") == SyncFailure(clock.now(), str(caught.value))
    await server.start_grpc()
    await glasses.sync.drain()
    assert shown(tmp_path / "state") is None


async def test_the_failure_that_is_shown_is_the_last_one(
    tmp_path: Path, glasses: Glasses, server: FakeServer, clock: ManualClock
) -> None:
    glasses.outbox.append(events(1))
    server.failures = [
        Failure(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE"),
        Failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_DOWN", 40.0),
    ]
    with pytest.raises(TryAgain):
        await glasses.sync.drain()
    clock.advance(60)
    with pytest.raises(SlowDown) as caught:
        await glasses.sync.drain()
    assert shown(tmp_path / "state") == SyncFailure(clock.now(), str(caught.value))


async def test_a_failure_that_an_earlier_process_noted_ends_with_the_first_success(
    tmp_path: Path, glasses: Glasses, server: FakeServer, clock: ManualClock
) -> None:
    await server.stop_grpc()
    with pytest.raises(TryAgain):
        await glasses.sync.drain()
    await glasses.close()
    await server.start_grpc()
    again = Glasses(tmp_path / "state", server, clock)
    assert shown(tmp_path / "state") is not None
    await again.sync.drain()
    assert shown(tmp_path / "state") is None
    await again.close()


async def test_being_logged_out_is_no_failure_to_send(tmp_path: Path, server: FakeServer, clock: ManualClock) -> None:
    glasses = Glasses(tmp_path / "other", server, clock)
    with pytest.raises(NotPaired):
        await glasses.sync.drain()
    assert shown(tmp_path / "other") is None
    await glasses.close()


async def test_a_disk_too_full_to_note_a_failure_does_not_hide_it(
    tmp_path: Path, glasses: Glasses, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glasses.outbox, "note_sync", no_room)
    await server.stop_grpc()
    with pytest.raises(TryAgain) as caught:
        await glasses.sync.drain()
    assert glasses.sync.last_failure is caught.value
    assert shown(tmp_path / "state") is None


async def test_a_success_that_could_not_be_noted_is_noted_by_the_next(
    tmp_path: Path, glasses: Glasses, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.stop_grpc()
    with pytest.raises(TryAgain):
        await glasses.sync.drain()
    await server.start_grpc()
    with monkeypatch.context() as full:
        full.setattr(glasses.outbox, "note_sync", no_room)
        await glasses.sync.drain()
    assert glasses.sync.last_failure is None
    assert shown(tmp_path / "state") is not None
    await glasses.sync.drain()
    assert shown(tmp_path / "state") is None


async def test_no_token_and_no_topic_reaches_a_log(
    glasses: Glasses, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = set()
    with caplog.at_level(logging.DEBUG):
        for failure in ("SLOW_DOWN", "STORE_UNAVAILABLE", "WRONG_CREDENTIAL", "TOKEN_INVALID", "PAIRING_ENDED"):
            glasses.outbox.append(events(2))
            server.failures = [Failure(grpc.StatusCode.UNAVAILABLE, failure)] * 2
            held = glasses.credentials.current
            assert held is not None
            tokens |= {held.access_token, held.refresh_token}
            with contextlib.suppress(TryAgain, SlowDown, NeverAgain):
                await glasses.sync.drain()
    text = caplog.text + repr(glasses.sent) + repr(held)
    assert not [token for token in tokens if token in text]
    assert str(TOPICS[0]) not in repr(glasses.sent)
