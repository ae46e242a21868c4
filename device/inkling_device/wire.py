"""Between the agent's terms and the messages of the contract: pure functions, the only place that knows both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from inkling.interests.v1 import interests_pb2
from inkling.sync.v1 import sync_pb2
from inkling_device.errors import (
    BatchRefused,
    CallFailure,
    CallRefused,
    PairingEnded,
    SequenceGap,
    SlowDown,
    TokenRefused,
    TryAgain,
)
from inkling_device.outbox import Batch

DOMAIN = "inkling"
"""`ErrorInfo.domain` of what an Inkling server says."""

_STATUS_KEY = "grpc-status-details-bin"
"""The trailer in which gRPC carries a `google.rpc.Status`."""


def push_request(batch: Batch) -> sync_pb2.PushRequest:
    """The message of a batch; the same batch always gives the same bytes."""
    request = sync_pb2.PushRequest(sequence=batch.sequence)
    if not batch.events:
        return request
    first = min(event.day for event in batch.events)
    columns = request.events
    columns.first_day_time.FromDatetime(dt.datetime.combine(first, dt.time.min))
    columns.topics.extend(event.topic for event in batch.events)
    columns.day_offsets.extend((event.day - first).days for event in batch.events)
    columns.sources.extend(cast("interests_pb2.InterestSource", int(event.source)) for event in batch.events)
    columns.percentages.extend(event.percentage for event in batch.events)
    return request


def rejections(response: sync_pb2.PushResponse) -> Mapping[int, str]:
    """The reason of each event that was not taken, by its place in the batch: a name such as `TOPIC`."""
    return {rejection.index: _reason_name(rejection.reason) for rejection in response.rejections}


def pause_seconds(response: sync_pb2.PushResponse) -> float:
    """How long the server asks to wait before the next batch; 0 where it does not ask."""
    return max(response.pause.ToTimedelta().total_seconds(), 0.0) if response.HasField("pause") else 0.0


def failure(error: grpc.aio.AioRpcError) -> CallFailure:
    """What to do about a failed call, by the contract's reason, and without one by gRPC's code.

    A code that says nothing definite is worth another try, after a back-off; nothing here is worth one at once.
    """
    code = error.code()
    status = _status(error)
    info, retry = _error_info(status), _retry_seconds(status)
    known = _by_reason(info) if info is not None else None
    if known is not None:
        return known
    if retry is not None:
        return SlowDown(retry)
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return TokenRefused()
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return BatchRefused(code.name)
    if code in _REFUSALS:
        return CallRefused(f"the server refuses the call: {code.name}")
    return TryAgain(f"the call failed: {code.name}")


_REFUSALS = frozenset(
    {
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)


def _by_reason(info: error_details_pb2.ErrorInfo) -> CallFailure | None:
    match info.reason:
        case "MALFORMED_BATCH":
            return BatchRefused(info.reason)
        case "SEQUENCE_GAP" if info.metadata.get("last_sequence", "").isdecimal():
            return SequenceGap(int(info.metadata["last_sequence"]))
        case "TOKEN_INVALID":
            return TokenRefused()
        case "PAIRING_ENDED":
            return PairingEnded()
        case "WRONG_CREDENTIAL":
            return CallRefused("the server says that the credential is not one of glasses: pair anew")
    return None


def _status(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    for key, value in error.trailing_metadata() or ():
        if key == _STATUS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                break
    return status_pb2.Status()


def _error_info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo | None:
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN:
            return info
    return None


def _retry_seconds(status: status_pb2.Status) -> float | None:
    retry = error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Is(retry.DESCRIPTOR) and detail.Unpack(retry):
            seconds: float = retry.retry_delay.ToTimedelta().total_seconds()
            return max(seconds, 0.0)
    return None


def _reason_name(reason: sync_pb2.RejectionReason) -> str:
    try:
        return sync_pb2.RejectionReason.Name(reason).removeprefix("REJECTION_REASON_")
    except ValueError:
        return f"REASON_{reason}"
