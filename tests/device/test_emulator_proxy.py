"""The proxy between glasses and server: everything passes, is counted and kept, until it is cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from inkling_emulator.proxy import Proxy, Traffic


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """A server that sends back what it gets until its peer has no more; gives its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while block := await reader.read(1000):
                writer.write(block.upper())
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def proxy(echo: int) -> AsyncIterator[tuple[Proxy, Traffic]]:
    traffic = Traffic()
    proxy = Proxy("127.0.0.1", echo, traffic)
    await proxy.start()
    yield proxy, traffic
    await proxy.close()


async def connected(proxy: Proxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = proxy.address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def test_bytes_pass_both_ways_and_are_kept(proxy: tuple[Proxy, Traffic]) -> None:
    """Any bytes, of any number; what was kept is what passed."""
    passing, traffic = proxy
    reader, writer = await connected(passing)
    sent = bytes(range(97, 123)) * 20_000
    writer.write(sent)
    writer.write_eof()
    assert await reader.read() == sent.upper()
    writer.close()
    assert (bytes(traffic.sent), bytes(traffic.received)) == (sent, sent.upper())
    assert (traffic.sent_bytes, traffic.received_bytes, traffic.total_bytes) == (520_000, 520_000, 1_040_000)


async def test_nothing_is_kept_where_counting_is_enough(echo: int) -> None:
    """A thousand glasses would fill the memory."""
    traffic = Traffic(keep=False)
    proxy = Proxy("127.0.0.1", echo, traffic)
    await proxy.start()
    reader, writer = await connected(proxy)
    writer.write(b"abc")
    assert await reader.readexactly(3) == b"ABC"
    writer.close()
    await proxy.close()
    assert (traffic.sent_bytes, traffic.sent, traffic.received) == (3, bytearray(), bytearray())


async def test_a_cut_breaks_what_is_open_and_refuses_what_comes(proxy: tuple[Proxy, Traffic]) -> None:
    """Until the network is back, and on the same address then."""
    passing, traffic = proxy
    reader, writer = await connected(passing)
    writer.write(b"before")
    await reader.readexactly(6)

    await passing.cut()
    assert await ended(reader)
    reader, writer = await connected(passing)
    writer.write(b"during")
    assert await ended(reader)

    passing.restore()
    reader, writer = await connected(passing)
    writer.write(b"after")
    assert await reader.readexactly(5) == b"AFTER"
    writer.close()
    assert bytes(traffic.sent) == b"beforeafter"


async def test_a_server_that_is_down_ends_the_connection(unused_port: int) -> None:
    """As if it were called without the proxy."""
    proxy = Proxy("127.0.0.1", unused_port, Traffic())
    await proxy.start()
    reader, _ = await connected(proxy)
    assert await ended(reader)
    await proxy.close()


async def ended(reader: asyncio.StreamReader) -> bool:
    with contextlib.suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(1), 10) == b""
    return True


@pytest.fixture
async def unused_port() -> int:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
