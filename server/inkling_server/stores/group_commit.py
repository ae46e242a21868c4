"""One writer for a SQLite file: whatever waits is written in one transaction, and made durable by one fsync.

There is no timer: while a transaction is being made durable, the next group gathers. A lone write is committed at
once, and under load the groups grow by themselves.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from inkling_server.errors import InklingError, StoreUnavailable

_log = logging.getLogger(__name__)

_MAXIMUM_GROUP = 128
"""Writes in one transaction: enough to make the fsync cheap, few enough to keep the first of them from waiting long."""


_IDLE_SECONDS = 1.0
"""How often an idle writer tends to its file."""


class Write(Protocol):
    """One change, executed within a group's transaction."""

    def __call__(self, connection: sqlite3.Connection) -> None:
        """Makes the change. An `InklingError` is this write's own outcome, and must leave nothing changed."""
        ...


Outcome = InklingError | None
Execute = Callable[[sqlite3.Connection, Sequence[Write]], Sequence[Outcome]]
"""Makes the changes of a group, and gives the outcome of each. Whatever it raises fails the whole group."""


def execute_singly(connection: sqlite3.Connection, writes: Sequence[Write]) -> list[Outcome]:
    """One change after another."""
    return [_outcome(connection, write) for write in writes]


def _outcome(connection: sqlite3.Connection, write: Write) -> Outcome:
    try:
        write(connection)
    except InklingError as error:
        return error
    return None


@dataclass(frozen=True, slots=True)
class _Waiting:
    write: Write
    done: asyncio.Future[None]


class GroupWriter:
    """Runs writes in a thread of its own. To be closed, which commits what waits."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        tend: Callable[[sqlite3.Connection], None],
        execute: Execute = execute_singly,
    ) -> None:
        """`tend` is called in the writer's thread after every commit, before its writes are answered, and when idle.

        `execute` makes the changes of a group.
        """
        self._connection = connection
        self._tend = tend
        self._execute = execute
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="inkling-writer")
        self._thread.start()

    def submit(self, write: Write) -> asyncio.Future[None]:
        """Done when the write is durable. Its exception is the write's own, or `StoreUnavailable`."""
        waiting = _Waiting(write, self._loop.create_future())
        self._queue.put(waiting)
        return waiting.done

    async def close(self) -> None:
        """Commits what waits, and ends the thread."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        closing = False
        while not closing:
            group, closing = self._next_group()
            outcomes = self._commit(group) if group else []
            try:
                self._tend(self._connection)
            except Exception:
                _log.exception("file not tended to")
            if group:
                self._loop.call_soon_threadsafe(_settle, group, outcomes)

    def _next_group(self) -> tuple[list[_Waiting], bool]:
        """Waits a while for a write, and takes what else is there; whether the writer is closing."""
        group: list[_Waiting] = []
        try:
            waiting = self._queue.get(timeout=_IDLE_SECONDS)
            while waiting is not None:
                group.append(waiting)
                if len(group) == _MAXIMUM_GROUP:
                    return group, False
                waiting = self._queue.get_nowait()
        except queue.Empty:
            return group, False
        return group, True

    def _commit(self, group: Sequence[_Waiting]) -> Sequence[Outcome]:
        """Writes a group in one transaction, and gives the outcome of each.

        A defect in a write fails its group; the writer lives on, or all who write later would wait for ever.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = self._execute(self._connection, [waiting.write for waiting in group])
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            _log.error("writes failed count=%d error=%s", len(group), error)
            return [StoreUnavailable(f"the store cannot be written: {error}")] * len(group)
        except Exception:
            self._roll_back()
            _log.exception("writes failed by a defect count=%d", len(group))
            return [StoreUnavailable("the store cannot be written: a write failed by a defect")] * len(group)
        return outcomes

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            _log.error("rollback failed error=%s", error)


def _settle(group: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
    for waiting, outcome in zip(group, outcomes, strict=True):
        if waiting.done.done():  # its caller has gone; the write stands all the same
            continue
        if outcome is None:
            waiting.done.set_result(None)
        else:
            waiting.done.set_exception(outcome)
