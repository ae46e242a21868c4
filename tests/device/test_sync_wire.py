"""Domain to wire and back: pure functions."""

from __future__ import annotations

import datetime as dt

import grpc
import pytest
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from inkling.sync.v1 import sync_pb2
from inkling_device import wire
from inkling_device.backoff import BASE, CAP, Backoff
from inkling_device.errors import (
    BatchRefused,
    CallFailure,
    CallRefused,
    NeverAgain,
    PairingEnded,
    SequenceGap,
    SlowDown,
    TokenRefused,
    TryAgain,
)
from inkling_device.observation import InterestEvent, Source
from inkling_device.outbox import Batch

DAY = dt.date(2026, 3, 10)


def test_a_batch_becomes_columns_relative_to_its_earliest_day() -> None:
    batch = Batch(
        7,
        [
            InterestEvent(672, Source.VOICE, DAY, 93),
            InterestEvent(243, Source.PHOTO, DAY - dt.timedelta(days=2), 100),
        ],
    )
    request = wire.push_request(batch)
    assert request.sequence == 7
    assert request.events.first_day_time.ToDatetime(tzinfo=dt.UTC) == dt.datetime(2026, 3, 8, tzinfo=dt.UTC)
    assert list(request.events.topics) == [672, 243]
    assert list(request.events.day_offsets) == [2, 0]
    assert list(request.events.sources) == [1, 3]
    assert list(request.events.percentages) == [93, 100]


def test_an_empty_batch_has_a_number_and_nothing_else() -> None:
    assert wire.push_request(Batch(7, [])) == sync_pb2.PushRequest(sequence=7)


def test_a_batch_of_32_takes_at_most_8_bytes_an_event() -> None:
    events = [InterestEvent(300 + 13 * number, Source.VOICE, DAY, 60 + number) for number in range(32)]
    assert wire.push_request(Batch(123_456, events)).ByteSize() / 32 <= 8


def test_rejections_and_pause_are_read() -> None:
    response = sync_pb2.PushResponse(last_sequence=3)
    assert (wire.rejections(response), wire.pause_seconds(response)) == ({}, 0.0)
    response.rejections.add(index=4, reason=sync_pb2.REJECTION_REASON_TOO_OLD)
    response.rejections.add(index=5, reason=99)
    response.pause.FromMilliseconds(1500)
    assert wire.rejections(response) == {4: "TOO_OLD", 5: "REASON_99"}
    assert wire.pause_seconds(response) == 1.5


def test_a_negative_pause_is_none() -> None:
    response = sync_pb2.PushResponse()
    response.pause.FromSeconds(-5)
    assert wire.pause_seconds(response) == 0.0


def call_error(code: grpc.StatusCode, *details: Message, trailer: bytes | None = None) -> grpc.aio.AioRpcError:
    status = status_pb2.Status(code=code.value[0])
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    content = status.SerializeToString() if trailer is None else trailer
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", content))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details="free text of the server")


def info(reason: str, domain: str = "inkling", **metadata: str) -> Message:
    made: Message = error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata)
    return made


def retry(seconds: int) -> Message:
    made = error_details_pb2.RetryInfo()
    made.retry_delay.FromSeconds(seconds)
    message: Message = made
    return message


CODE = grpc.StatusCode


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (call_error(CODE.INVALID_ARGUMENT, info("MALFORMED_BATCH")), BatchRefused),
        (call_error(CODE.INVALID_ARGUMENT), BatchRefused),
        (call_error(CODE.FAILED_PRECONDITION, info("SEQUENCE_GAP", last_sequence="4")), SequenceGap),
        (call_error(CODE.FAILED_PRECONDITION, info("SEQUENCE_GAP", last_sequence="many")), CallRefused),
        (call_error(CODE.FAILED_PRECONDITION, info("SEQUENCE_GAP", domain="other", last_sequence="4")), CallRefused),
        (call_error(CODE.UNAUTHENTICATED, info("TOKEN_INVALID")), TokenRefused),
        (call_error(CODE.UNAUTHENTICATED), TokenRefused),
        (call_error(CODE.UNAUTHENTICATED, info("PAIRING_ENDED")), PairingEnded),
        (call_error(CODE.UNAUTHENTICATED, info("PAIRING_ENDED", domain="other")), TokenRefused),
        (call_error(CODE.RESOURCE_EXHAUSTED, info("SLOW_DOWN"), retry(9)), SlowDown),
        (call_error(CODE.RESOURCE_EXHAUSTED, info("SLOW_DOWN")), TryAgain),
        (call_error(CODE.UNAVAILABLE, info("STORE_UNAVAILABLE"), retry(5)), SlowDown),
        (call_error(CODE.UNAVAILABLE), TryAgain),
        (call_error(CODE.DEADLINE_EXCEEDED), TryAgain),
        (call_error(CODE.INTERNAL), TryAgain),
        (call_error(CODE.UNKNOWN, info("A_REASON_OF_THE_FUTURE")), TryAgain),
        (call_error(CODE.UNAVAILABLE, trailer=b"\xff\xff no status"), TryAgain),
        (call_error(CODE.PERMISSION_DENIED, info("WRONG_CREDENTIAL")), CallRefused),
        (call_error(CODE.UNIMPLEMENTED), CallRefused),
        (call_error(CODE.NOT_FOUND), CallRefused),
    ],
)
def test_each_failure_has_one_kind(error: grpc.aio.AioRpcError, kind: type[CallFailure]) -> None:
    failure = wire.failure(error)
    assert type(failure) is kind
    assert sum(isinstance(failure, branch) for branch in (TryAgain, SlowDown, NeverAgain)) == 1
    assert "free text" not in str(failure)


def test_what_a_failure_names_is_read() -> None:
    gap = wire.failure(call_error(CODE.FAILED_PRECONDITION, info("SEQUENCE_GAP", last_sequence="41")))
    rest = wire.failure(call_error(CODE.RESOURCE_EXHAUSTED, info("SLOW_DOWN"), retry(9)))
    refused = wire.failure(call_error(CODE.INVALID_ARGUMENT, info("MALFORMED_BATCH")))
    assert isinstance(gap, SequenceGap)
    assert gap.last_sequence == 41
    assert isinstance(rest, SlowDown)
    assert rest.seconds == 9
    assert isinstance(refused, BatchRefused)
    assert refused.reason == "MALFORMED_BATCH"


class Highest:
    """Draws the upper bound, always."""

    def uniform(self, low: float, high: float) -> float:
        return high


def test_back_off_doubles_up_to_its_cap_and_begins_anew_after_a_success() -> None:
    backoff = Backoff(Highest())
    assert [backoff.failed() for _ in range(11)] == [BASE * 2**n for n in range(9)] + [CAP, CAP]
    backoff.reset()
    assert backoff.failed() == BASE
