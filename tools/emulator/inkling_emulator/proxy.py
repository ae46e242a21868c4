"""A TCP proxy between glasses and server: it can be cut, records what passes, and counts it.

It copies bytes and knows no protocol, so plaintext HTTP/2 passes as it is. What it recorded is what the network saw.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

_BLOCK = 65_536


@dataclass(slots=True)
class Traffic:
    """What passed so far."""

    keep: bool = True
    """Whether the bytes are kept, and not only counted."""
    sent_bytes: int = 0
    """From the glasses to the server."""
    received_bytes: int = 0
    """From the server to the glasses."""
    sent: bytearray = field(default_factory=bytearray, repr=False)
    received: bytearray = field(default_factory=bytearray, repr=False)

    @property
    def total_bytes(self) -> int:
        """Both ways."""
        return self.sent_bytes + self.received_bytes

    def count_sent(self, block: bytes) -> None:
        self.sent_bytes += len(block)
        if self.keep:
            self.sent += block

    def count_received(self, block: bytes) -> None:
        self.received_bytes += len(block)
        if self.keep:
            self.received += block


class Proxy:
    """Listens on a free port of the loopback and passes every connection on to `target`."""

    def __init__(self, host: str, port: int, traffic: Traffic, *, source: str | None = None) -> None:
        """Connections to `host:port` come from the address `source`, where one is given."""
        self._target = (host, port)
        self._source = (source, 0) if source else None
        self._traffic = traffic
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._cut = False

    @property
    def address(self) -> str:
        """HOST:PORT to connect to."""
        assert self._server is not None, "the proxy is not started"
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    async def start(self) -> None:
        """Begins to listen."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)

    async def close(self) -> None:
        """Ends everything."""
        if self._server is not None:
            self._server.close()
        await self._drop()

    async def cut(self) -> None:
        """The network is gone: connections break, and new ones get nowhere."""
        self._cut = True
        await self._drop()

    def restore(self) -> None:
        """The network is back."""
        self._cut = False

    async def _drop(self) -> None:
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        connection = asyncio.create_task(self._pass(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target, local_addr=self._source)
        except OSError:
            writer.transport.abort()
            return
        copies = {
            asyncio.create_task(_copy(reader, far_writer, self._traffic.count_sent)),
            asyncio.create_task(_copy(far_reader, writer, self._traffic.count_received)),
        }
        try:
            await asyncio.wait(copies)
        finally:
            for copy in copies:
                copy.cancel()
            await asyncio.wait(copies)
            writer.transport.abort()
            far_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[bytes], None]) -> None:
    """Copies until one end closes. A closed direction is closed at the other end as well, as TCP has it."""
    with contextlib.suppress(ConnectionError):
        while block := await reader.read(_BLOCK):
            count(block)
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
