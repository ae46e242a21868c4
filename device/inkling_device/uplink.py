"""One gRPC connection to the sync server: single calls, and a stream while there is more to send."""

from __future__ import annotations

import asyncio
import logging

import grpc

from inkling.sync.v1 import sync_pb2, sync_service_pb2_grpc
from inkling_device import wire
from inkling_device.errors import TryAgain
from inkling_device.transport import Transport

log = logging.getLogger(__name__)

DEADLINE = 20.0
"""Seconds after which a call that was not answered counts as failed."""

_Stream = grpc.aio.StreamStreamCall[sync_pb2.PushRequest, sync_pb2.PushResponse]


class Uplink:
    """Calls that raise a `CallFailure` where they are not answered. One push at a time."""

    def __init__(self, transport: Transport, target: str) -> None:
        self.target = target
        self._channel = transport.channel(target)
        self._service = sync_service_pb2_grpc.SyncServiceStub(self._channel)
        self._stream: _Stream | None = None
        self._streams = True

    async def get_policy(self, token: str, held_version: int) -> sync_pb2.GetPolicyResponse:
        """The policy in force and the account's standing."""
        request = sync_pb2.GetPolicyRequest(held_version=held_version)
        try:
            return await self._service.GetPolicy(request, metadata=_bearer(token), timeout=DEADLINE)
        except grpc.aio.AioRpcError as error:
            raise wire.failure(error) from None

    async def push(self, token: str, request: sync_pb2.PushRequest, *, more: bool) -> sync_pb2.PushResponse:
        """The server's answer to a batch. `more` says that others will follow soon: then a stream is worth it.

        Where a stream does not get through, as with some proxies, single calls do the rest.
        """
        if self._streams and (more or self._stream is not None):
            try:
                return await self._push_on_stream(token, request)
            except grpc.aio.AioRpcError as error:
                failure = wire.failure(error)
                if error.code() is not grpc.StatusCode.UNIMPLEMENTED and not isinstance(failure, TryAgain):
                    raise failure from None
            except (TimeoutError, asyncio.InvalidStateError, EOFError):
                pass
            log.info("the stream does not get through; going on with single calls")
            self._streams = False
        return await self._push_alone(token, request)

    async def end_stream(self) -> None:
        """Closes the stream where one is open, as there is nothing more to send for now."""
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None

    async def close(self) -> None:
        """Ends the connection."""
        await self.end_stream()
        await self._channel.close()

    async def _push_alone(self, token: str, request: sync_pb2.PushRequest) -> sync_pb2.PushResponse:
        try:
            return await self._service.Push(request, metadata=_bearer(token), timeout=DEADLINE)
        except grpc.aio.AioRpcError as error:
            raise wire.failure(error) from None

    async def _push_on_stream(self, token: str, request: sync_pb2.PushRequest) -> sync_pb2.PushResponse:
        if self._stream is None:
            self._stream = self._service.PushStream(metadata=_bearer(token))
        try:
            async with asyncio.timeout(DEADLINE):
                await self._stream.write(request)
                response = await self._stream.read()
        except BaseException:
            await self.end_stream()
            raise
        if not isinstance(response, sync_pb2.PushResponse):
            await self.end_stream()
            raise EOFError("the server ended the stream")
        return response


def _bearer(token: str) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {token}"),)
