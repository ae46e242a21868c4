"""The accounts' database: its tables, one reading connection, and one writer that commits in groups."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from inkling_server.errors import StartError, StoreUnavailable, UnknownAccount
from inkling_server.files import make_directory
from inkling_server.stores.group_commit import GroupWriter
from inkling_server.stores.sqlite_file import connect

_log = logging.getLogger(__name__)

T = TypeVar("T")
Row = tuple[Any, ...]

_SCHEMA_VERSION = 1

# Times are whole seconds since 1970-01-01 UTC. Of every token only the hash is kept.
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS accounts (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL,            -- as the wearer wrote it
    email_key TEXT NOT NULL UNIQUE, -- as it is compared
    password TEXT NOT NULL,         -- argon2id
    home_region TEXT NOT NULL,      -- ISO 3166-1 alpha-2
    birth_year INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT;
-- Browsers that are logged in.
CREATE TABLE IF NOT EXISTS sessions (
    hash BLOB PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    started INTEGER NOT NULL,
    used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_by_account ON sessions (account);
-- Glasses that have asked to be paired (RFC 8628). The user code is not hashed: 34 bits can be tried out in a moment,
-- and it is of no use but to a wearer who is logged in, for a quarter of an hour.
CREATE TABLE IF NOT EXISTS grants (
    device_hash BLOB PRIMARY KEY,
    user_code TEXT NOT NULL UNIQUE,
    expires INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'used')),
    account TEXT REFERENCES accounts ON DELETE CASCADE,
    name TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS grants_by_account ON grants (account);
CREATE INDEX IF NOT EXISTS grants_by_expiry ON grants (expires);
-- Glasses that are or were paired. `family` is the part of the refresh token that stays, `refresh` the part that
-- changes at every refresh, `previous` the one before.
CREATE TABLE IF NOT EXISTS pairings (
    id TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name TEXT NOT NULL,
    started INTEGER NOT NULL,
    refreshed INTEGER NOT NULL,
    ended INTEGER,
    ending TEXT,
    family BLOB NOT NULL UNIQUE,
    refresh BLOB NOT NULL,
    previous BLOB,
    repeated INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS pairings_by_account ON pairings (account);
CREATE TABLE IF NOT EXISTS access_tokens (
    hash BLOB PRIMARY KEY,
    pairing TEXT NOT NULL REFERENCES pairings ON DELETE CASCADE,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS access_tokens_by_pairing ON access_tokens (pairing);
-- Ranking and ads systems.
CREATE TABLE IF NOT EXISTS readers (
    name TEXT PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    created INTEGER NOT NULL
) STRICT;
PRAGMA user_version = 1;
COMMIT;
"""


class AccountsDatabase:
    """Reads at once, writes in groups. Other processes, such as the operator's command line, may use the file too."""

    def __init__(self, reader: sqlite3.Connection, connection: sqlite3.Connection) -> None:
        """Takes over two connections; from within the event loop that the database is used in."""
        self._reader = reader
        self._connection = connection
        self._log_holds_erased = False
        self._writer = GroupWriter(connection, self._clean_log)

    @classmethod
    def open(cls, path: Path) -> AccountsDatabase:
        """The database of a file, made 0600 where it is missing. Raises `StartError` where it cannot be used."""
        make_directory(path.parent)
        connection = _connect(path)
        try:
            return cls(_connect(path), connection)
        except StartError:
            connection.close()
            raise

    async def close(self) -> None:
        """Commits what waits, and lets go of the file."""
        await self._writer.close()
        self._reader.close()
        self._connection.close()

    def all(self, query: str, parameters: Row = ()) -> list[Row]:
        """The rows of a query. Raises `StoreUnavailable`.

        On the event loop: a look into SQLite's page cache costs a fraction of a hop to a thread and back, and in WAL
        mode no writer is ever in its way.
        """
        try:
            return self._reader.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the accounts cannot be read: {error}") from error

    def one(self, query: str, parameters: Row = ()) -> Row | None:
        """The first row of a query, if there is one. Raises `StoreUnavailable`."""
        rows = self.all(query, parameters)
        return rows[0] if rows else None

    async def write(
        self,
        change: Callable[[sqlite3.Connection], T],
        *,
        erases: bool = False,
        then: Callable[[], None] = lambda: None,
    ) -> T:
        """Runs a change in the writer's thread and gives its result once it is durable.

        An `InklingError` that the change raises before it has changed anything is raised here. `erases` also empties
        the log of what the change deleted. `then` is called on the event loop after the change, whether its caller
        still waits or not. Raises `UnknownAccount` where the account that a row is to belong to has been erased
        meanwhile, and `StoreUnavailable` where nothing could be written.
        """
        results: list[T] = []

        def run(connection: sqlite3.Connection) -> None:
            try:
                results.append(change(connection))
            except sqlite3.IntegrityError:
                raise UnknownAccount from None
            self._log_holds_erased |= erases

        done = self._writer.submit(run)
        done.add_done_callback(lambda _: then())
        await asyncio.shield(done)
        return results[0]

    def _clean_log(self, connection: sqlite3.Connection) -> None:
        """After an erasure, empties the write-ahead log; where another process is in the way, after the next commit."""
        if not self._log_holds_erased:
            return
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._log_holds_erased = bool(busy)
        except sqlite3.Error as error:
            _log.error("checkpoint after an erasure failed, to be tried again error=%s", error)


def _connect(path: Path) -> sqlite3.Connection:
    connection = connect(path)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > _SCHEMA_VERSION:
            raise StartError(f"{path} was written by a later release (schema {version}): run that one")
        if version < _SCHEMA_VERSION:
            connection.executescript(_SCHEMA)
    except sqlite3.Error as error:
        connection.close()
        raise StartError(f"{path} cannot be used ({error}): restore it from a backup") from error
    except StartError:
        connection.close()
        raise
    return connection
