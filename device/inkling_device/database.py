"""The one SQLite file of the agent: opened by one process, kept whole, set aside when it is damaged.

Every transaction is on disk when it returns (WAL, `synchronous=FULL`), so that neither SIGKILL nor power loss takes
back what was recorded.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from inkling_device.clock import Clock
from inkling_device.errors import StateBusyError, StateError, StateFullError, StateTooNewError
from inkling_device.private_files import make_private_directory, sync_directory

log = logging.getLogger(__name__)

T = TypeVar("T")

FILE_NAME = "outbox.sqlite"
LOCK_NAME = "lock"

_VERSION = 1
"""Grows with the schema; kept in `user_version`."""

_SCHEMA = """
-- Every event that the guard released: those that wait, and what became of the others. Day is days since 1970-01-01.
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    topic INTEGER NOT NULL,
    source INTEGER NOT NULL,
    day INTEGER NOT NULL,
    percentage INTEGER NOT NULL,
    outcome TEXT NOT NULL DEFAULT 'waiting',
    sequence INTEGER,                           -- the batch that it went with
    sent INTEGER,                               -- when the batch was made up, in seconds since 1970
    reason TEXT                                 -- why it was not taken
) STRICT;
CREATE INDEX event_outcome ON event (outcome) WHERE outcome IN ('waiting', 'sending');
CREATE INDEX event_day ON event (day);
-- How often each rule dropped something; never sent.
CREATE TABLE dropped (
    day INTEGER NOT NULL, rule TEXT NOT NULL, category TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (day, rule, category)
) STRICT, WITHOUT ROWID;
-- Single facts: `acknowledged` is the last sequence that the server holds, `frozen` that of the batch on its way,
-- `pairing` whose events these are, `sync_failure` and `sync_failed` why and when the last attempt to send failed, in
-- seconds since 1970, if it did; the others count events that were given up, by outcome.
CREATE TABLE fact (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
"""

_AUTOCHECKPOINT_PAGES = 128
"""Pages of 4 KiB in the write-ahead log before they are moved into the file: keeps the log under a megabyte."""

Connect = Callable[[Path], sqlite3.Connection]


def connect(path: Path) -> sqlite3.Connection:
    """A connection that any thread may use, one at a time, in autocommit mode."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)


class Database(Protocol):
    """Runs units of work; what `StateDatabase` and `ReadOnlyDatabase` have in common."""

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of `work`, done in one transaction. Raises `StateError`."""
        ...


class StateDatabase:
    """Runs units of work as transactions, from any thread, one after another.

    While it is open, no other process can open it. A file that is damaged, at opening or later, is renamed to
    `outbox.sqlite.damaged-TIME`, and a new one is begun.
    """

    def __init__(self, directory: Path, clock: Clock, lock: int, connect: Connect) -> None:
        self._path = directory / FILE_NAME
        self._clock = clock
        self._lock_descriptor = lock
        self._connect = connect
        self._busy = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    @classmethod
    def open(cls, directory: Path, clock: Clock, *, connect: Connect = connect) -> StateDatabase:
        """Opens the database of a state directory, both made where missing.

        Raises `StateBusyError`, `StateTooNewError`, or `StateError` where the disk does not let it.
        """
        make_private_directory(directory)
        database = cls(directory, clock, _locked(directory / LOCK_NAME), connect)
        try:
            database.run(lambda connection: None)
        except BaseException:
            database.close()
            raise
        return database

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Does `work` in one transaction: all of it is on disk on return, or, where this raises, none.

        Where the file turns out to be damaged, `work` is done on the new one. Raises `StateFullError`, `StateError`.
        """
        with self._busy:
            try:
                return self._attempt(work)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise _typed(error, self._path) from error
            self._set_aside()
            try:
                return self._attempt(work)
            except sqlite3.DatabaseError as error:
                raise _typed(error, self._path) from error

    def wipe(self) -> None:
        """Removes all that was ever recorded, damaged files as well, and begins anew. Raises `StateError`."""
        with self._busy:
            self._disconnect()
            try:
                for path in self._path.parent.glob(f"{FILE_NAME}*"):
                    path.unlink()
                sync_directory(self._path.parent)
            except OSError as error:
                raise StateError(f"{self._path} cannot be removed: {error.strerror}") from error
            self.run(lambda connection: None)

    def close(self) -> None:
        """Lets other processes open the database. Closing twice is harmless."""
        with self._busy:
            self._disconnect()
            if self._lock_descriptor >= 0:
                os.close(self._lock_descriptor)
                self._lock_descriptor = -1

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._lock_descriptor < 0:
            raise StateError(f"{self._path} has been closed")
        if self._connection is None:
            self._connection = self._opened()
        return _transaction(self._connection, work)

    def _opened(self) -> sqlite3.Connection:
        # SQLite gives its log and index files the mode of the database.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = self._connect(self._path)
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_AUTOCHECKPOINT_PAGES}")
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise _DamagedError(found)
            _transaction(connection, self._prepare)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise StateTooNewError(
                f"{self._path} was written by a newer inkling-device: update, or name another state_dir"
            )
        if version == 0:
            for statement in _SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _set_aside(self) -> None:
        self._disconnect()
        aside = _free_name(self._path, self._clock.now().strftime("%Y%m%dT%H%M%SZ"))
        try:
            # Log and index go first: without them a new database cannot be taken for the continuation of the old one.
            for ending in ("-wal", "-shm", ""):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self._path}{ending}").rename(f"{aside}{ending}")
            sync_directory(self._path.parent)
        except OSError as error:
            raise StateError(f"{self._path} is damaged and cannot be set aside: {error.strerror}") from error
        log.error("%s is damaged; it is kept as %s, and a new one is begun", self._path, aside.name)

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


class ReadOnlyDatabase:
    """Reads the database of a state directory, also while the agent holds it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Gives `work` a consistent view. Raises `StateError` where there is no database or it cannot be read."""
        if not self._path.exists():
            raise StateError(f"{self._path} does not exist: nothing has been recorded yet")
        try:
            connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            with contextlib.closing(connection):
                connection.execute("BEGIN")
                return work(connection)
        except sqlite3.DatabaseError as error:
            raise _typed(error, self._path) from error


def fact(connection: sqlite3.Connection, name: str) -> int | str | None:
    """The value of a single fact, None where it is not known."""
    row = connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def set_fact(connection: sqlite3.Connection, name: str, value: int | str) -> None:
    """Remembers a single fact."""
    connection.execute("INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)", (name, value))


def forget_fact(connection: sqlite3.Connection, name: str) -> None:
    """Forgets a single fact; one that is not known is no error."""
    connection.execute("DELETE FROM fact WHERE name = ?", (name,))


class _DamagedError(sqlite3.DatabaseError):
    """The quick check found what SQLite itself has not noticed yet."""


def _transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def holder(directory: Path) -> int | None:
    """Number of the process that holds a state directory, None where it cannot be told."""
    try:
        return int((directory / LOCK_NAME).read_text())
    except (OSError, ValueError):
        return None


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StateBusyError(
            f"another inkling-device is using {path.parent}: stop it, or name another state_dir"
        ) from None
    with contextlib.suppress(OSError):  # a full disk costs the number, not the lock
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _free_name(path: Path, time: str) -> Path:
    name = path.with_name(f"{path.name}.damaged-{time}")
    count = 1
    while name.exists():
        count += 1
        name = path.with_name(f"{path.name}.damaged-{time}-{count}")
    return name


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return isinstance(error, _DamagedError) or _primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _primary_code(error: sqlite3.DatabaseError) -> int:
    """The result code without its extension (https://sqlite.org/rescode.html)."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _typed(error: sqlite3.DatabaseError, path: Path) -> StateError:
    if _primary_code(error) == sqlite3.SQLITE_FULL:
        return StateFullError(f"the disk of {path} is full: free some room; what was to be written was not")
    return StateError(f"{path} cannot be used: {error}")
