"""The one writer of a SQLite file, when what it is given fails."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inkling_server.errors import StoreUnavailable, UnknownAccount
from inkling_server.stores.group_commit import GroupWriter
from inkling_server.stores.sqlite_file import connect


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[sqlite3.Connection]:
    """A database with one empty table."""
    opened = connect(tmp_path / "numbers.db")
    opened.execute("CREATE TABLE numbers (number INTEGER)")
    yield opened
    opened.close()


def add(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO numbers VALUES (1)")


def defect(connection: sqlite3.Connection) -> None:
    add(connection)
    raise ZeroDivisionError


def refuse(connection: sqlite3.Connection) -> None:
    raise UnknownAccount


def count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM numbers").fetchone()[0])


async def test_a_defect_in_a_write_fails_its_group_and_nothing_else(connection: sqlite3.Connection) -> None:
    """All of the group are told to try again, nothing of it is kept, and the next write comes through."""
    under_way, free = threading.Event(), threading.Event()

    def wait(connection: sqlite3.Connection) -> None:
        under_way.set()
        free.wait()

    writer = GroupWriter(connection, lambda _: None)
    async with asyncio.timeout(10):
        first = writer.submit(wait)
        await asyncio.to_thread(under_way.wait)  # alone, so that the next three are one group
        together = [writer.submit(write) for write in (add, defect, refuse)]
        free.set()
        await asyncio.wait([first, *together])
        assert [type(done.exception()) for done in together] == [StoreUnavailable] * 3
        await writer.submit(add)
        await writer.close()
    assert count(connection) == 1


async def test_a_defect_in_tending_stops_no_write(connection: sqlite3.Connection) -> None:
    """What was committed is answered all the same, and so is the next."""

    def tend(_: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    writer = GroupWriter(connection, tend)
    async with asyncio.timeout(10):
        for _ in range(2):
            await writer.submit(add)
        await writer.close()
    assert count(connection) == 2
