"""The gRPC server: all services, health and reflection on one port."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from inkling.profiles.v1 import profiles_service_pb2
from inkling.profiles.v1.profiles_service_pb2_grpc import add_ProfileServiceServicer_to_server
from inkling.sync.v1 import sync_service_pb2
from inkling.sync.v1.sync_service_pb2_grpc import add_SyncServiceServicer_to_server
from inkling_server.errors import StartError
from inkling_server.services.profiles import ProfileService
from inkling_server.services.sync import SyncService

_GRACE_SECONDS = 5.0
"""How long calls under way may take to end when the server stops."""

_OPTIONS = (
    # A port in use is an error to be told, not to be shared with another server by accident.
    ("grpc.so_reuseport", 0),
    # Far above any batch that the validator lets pass, so that it, not the transport, is what refuses.
    ("grpc.max_receive_message_length", 1 << 20),
    # Glasses that went out of reach are noticed within a minute and a half.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
)

_SERVICES = (
    sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"].full_name,
    profiles_service_pb2.DESCRIPTOR.services_by_name["ProfileService"].full_name,
)


class GrpcServer:
    """Listens as soon as it is made, so that its port is known, and answers within `serving`."""

    def __init__(
        self,
        address: str,
        sync: SyncService,
        profiles: ProfileService,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        """Takes `address`, HOST:PORT, where port 0 is a free one. Raises `StartError` where it is taken."""
        self._server = grpc.aio.server(options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        add_SyncServiceServicer_to_server(sync, self._server)
        add_ProfileServiceServicer_to_server(profiles, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        try:
            if credentials is None:
                self.port = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise StartError(f"{address} cannot be listened on: name another with --grpc-address") from error

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answers until the end of the context, and then lets the calls under way end."""
        await self._server.start()
        for name in _SERVICES:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        try:
            yield
        finally:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(_GRACE_SECONDS)
