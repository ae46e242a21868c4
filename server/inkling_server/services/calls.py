"""What all gRPC services share: who calls, and how a failure is said."""

from __future__ import annotations

import logging
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # ships no types
from grpc_status import rpc_status

from inkling.sync.v1.sync_pb2 import ErrorReason
from inkling_server.auth import Authenticator, Identity, bearer_token
from inkling_server.errors import (
    AccountErased,
    InklingError,
    MalformedBatch,
    PairingEnded,
    SequenceGap,
    SlowDown,
    StoreUnavailable,
    TokenInvalid,
    UnknownAccount,
    WrongCredential,
)

_log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]

DOMAIN = "inkling"
"""`ErrorInfo.domain` of every failure."""

_ANSWERS: dict[type[InklingError], tuple[grpc.StatusCode, ErrorReason]] = {
    MalformedBatch: (grpc.StatusCode.INVALID_ARGUMENT, ErrorReason.ERROR_REASON_MALFORMED_BATCH),
    SequenceGap: (grpc.StatusCode.FAILED_PRECONDITION, ErrorReason.ERROR_REASON_SEQUENCE_GAP),
    TokenInvalid: (grpc.StatusCode.UNAUTHENTICATED, ErrorReason.ERROR_REASON_TOKEN_INVALID),
    PairingEnded: (grpc.StatusCode.UNAUTHENTICATED, ErrorReason.ERROR_REASON_PAIRING_ENDED),
    AccountErased: (grpc.StatusCode.UNAUTHENTICATED, ErrorReason.ERROR_REASON_PAIRING_ENDED),
    SlowDown: (grpc.StatusCode.RESOURCE_EXHAUSTED, ErrorReason.ERROR_REASON_SLOW_DOWN),
    StoreUnavailable: (grpc.StatusCode.UNAVAILABLE, ErrorReason.ERROR_REASON_STORE_UNAVAILABLE),
    WrongCredential: (grpc.StatusCode.PERMISSION_DENIED, ErrorReason.ERROR_REASON_WRONG_CREDENTIAL),
    # The contract has no reason for this one: it concerns readers, who tell by the code.
    UnknownAccount: (grpc.StatusCode.NOT_FOUND, ErrorReason.ERROR_REASON_UNSPECIFIED),
}
"""How each error is said; a class that is not here is said as its nearest base class."""

_RETRY_AFTER_STORE_FAILURE = 5.0
"""Seconds after which a device may try a store that could not be written."""


async def caller(context: Context, authenticator: Authenticator) -> Identity:
    """Who calls. Raises what `Authenticator.identify` raises."""
    metadata = context.invocation_metadata() or ()
    return await authenticator.identify(bearer_token(dict(metadata)))


async def refuse(context: Context, error: InklingError) -> NoReturn:
    """Ends a call with the status, reason and details of an error."""
    code, reason = next(_ANSWERS[kind] for kind in type(error).__mro__ if kind in _ANSWERS)
    status = status_pb2.Status(code=code.value[0], message=str(error))
    if reason:
        status.details.add().Pack(_error_info(reason, error))
    if (retry_after := _retry_after(error)) is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(retry_after * 1000) + 1)
        status.details.add().Pack(retry)
    level = logging.WARNING if isinstance(error, StoreUnavailable) else logging.DEBUG
    _log.log(level, "call refused code=%s reason=%s", code.name, type(error).__name__)
    trailers = rpc_status.to_status(status).trailing_metadata
    await context.abort(code, str(error), trailers)
    raise AssertionError("abort has raised")


def _error_info(reason: ErrorReason, error: InklingError) -> error_details_pb2.ErrorInfo:
    name = ErrorReason.Name(reason).removeprefix("ERROR_REASON_")
    info = error_details_pb2.ErrorInfo(reason=name, domain=DOMAIN)
    if isinstance(error, SequenceGap):
        info.metadata["last_sequence"] = str(error.last_sequence)
    return info


def _retry_after(error: InklingError) -> float | None:
    if isinstance(error, SlowDown):
        return error.retry_after
    if isinstance(error, StoreUnavailable):
        return _RETRY_AFTER_STORE_FAILURE
    return None
