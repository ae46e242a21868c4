"""Profiles in one SQLite file, each encrypted, saved in groups."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from inkling_server.errors import AccountErased, RevisionConflict, StartError, StoreUnavailable
from inkling_server.files import make_directory
from inkling_server.profile import Profile
from inkling_server.profile_codec import decode, encode
from inkling_server.sealing import AccountKey, MasterKey, profile_context
from inkling_server.stores import UNSAVED, Revision
from inkling_server.stores.cache import Entry, ProfileCache
from inkling_server.stores.group_commit import GroupWriter
from inkling_server.stores.sqlite_file import back_up, connect

_log = logging.getLogger(__name__)

_CACHED_CELLS = 200_000
"""About 50 MB of profiles in use."""

_SCHEMA = """
-- One row: proof that the master key in use is the one that wrapped the keys here.
CREATE TABLE IF NOT EXISTS master (proof BLOB NOT NULL) STRICT;
-- The wrapped key of each account; NULL once it is destroyed. Apart from the profiles, so that saving one does not
-- leave further copies of its key in the log.
CREATE TABLE IF NOT EXISTS keys (account TEXT PRIMARY KEY, wrapped BLOB) STRICT;
-- The sealed profile of each account.
CREATE TABLE IF NOT EXISTS profiles (account TEXT PRIMARY KEY, revision INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT;
"""

_REVISION = "SELECT revision FROM profiles WHERE account = ?"
_LOAD = """
SELECT keys.wrapped, profiles.revision, profiles.sealed
FROM keys LEFT JOIN profiles USING (account) WHERE keys.account = ?
"""
_KEY = "SELECT wrapped FROM keys WHERE account = ?"
_ERASED = "SELECT 1 FROM keys WHERE account = ? AND wrapped IS NULL"
_ADD_KEY = "INSERT INTO keys (account, wrapped) VALUES (?, ?) ON CONFLICT DO NOTHING"
_ADD_PROFILE = "INSERT INTO profiles (account, revision, sealed) VALUES (?, 1, ?)"
_SAVE = "UPDATE profiles SET revision = revision + 1, sealed = ? WHERE account = ? AND revision = ?"
_DESTROY_KEY = "INSERT INTO keys (account, wrapped) VALUES (?, NULL) ON CONFLICT DO UPDATE SET wrapped = NULL"
_DELETE_PROFILE = "DELETE FROM profiles WHERE account = ?"


def location(address: str) -> tuple[Path, Path]:
    """Database and master key file of what follows `sqlite://` in a URL. Raises `StartError`."""
    parts = urlsplit(f"//{address}" if not address.startswith("/") else address)
    path = Path(parts.netloc + parts.path if parts.netloc else "/" + parts.path.lstrip("/"))
    options = dict(parse_qsl(parts.query))
    key = Path(options.pop("key", path.with_name("master.key")))
    if options or not path.name:
        raise StartError(f"'sqlite://{address}' is no SQLite store: write sqlite:///PATH or sqlite:///PATH?key=FILE")
    return path, key


class SqliteStore:
    """A `ProfileStore` in a file. Other processes may open it as well: what they save or delete is seen at once."""

    def __init__(self, path: Path, master_key_file: Path) -> None:
        self._path = path
        self._master_key_file = master_key_file
        self._cache = ProfileCache(_CACHED_CELLS)
        self._log_holds_erased = False

    async def __aenter__(self) -> Self:
        """Opens the file, and makes it and the master key where both are missing. Raises `StartError`."""
        make_directory(self._path.parent)
        with contextlib.ExitStack() as undo:
            self._reader = undo.enter_context(contextlib.closing(connect(self._path)))
            connection = undo.enter_context(contextlib.closing(connect(self._path)))
            self._master_key = self._unlocked(connection)
            undo.pop_all()
        self._connection = connection
        self._writer = GroupWriter(connection, self._clean_log)
        _log.info("store opened path=%s", self._path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._writer.close()
        self._reader.close()
        self._connection.close()

    async def load(self, account: str) -> tuple[Profile, Revision]:
        # On the event loop: a look into SQLite's page cache costs a fraction of a hop to a thread and back.
        try:
            entry = self._cache.get(account)
            if entry is not None:
                row = self._reader.execute(_REVISION, (account,)).fetchone()
                if row is not None and row[0] == entry.revision:
                    return entry.profile, entry.revision
            return self._read(account)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the store cannot be read: {error}") from error

    async def save(self, account: str, profile: Profile, *, expected: Revision) -> Revision:
        key = self._master_key.new_account_key(account) if expected == UNSAVED else self._key(account)
        revision = Revision(expected + 1)
        sealed = key.sealer.seal(encode(profile), profile_context(account, revision))
        write = _Save(account, expected, sealed, key.wrapped)
        try:
            await asyncio.shield(self._writer.submit(write))
        except BaseException:
            # Whatever went wrong, a cancellation included: what is held is now the database's to say.
            self._cache.drop(account)
            raise
        self._cache.put(account, Entry(profile, revision, key))
        return revision

    async def delete(self, account: str) -> None:
        self._cache.drop(account)
        await asyncio.shield(self._writer.submit(functools.partial(self._erase, account)))

    async def backup(self, target: Path) -> None:
        """Copies the database as it stands into a new file while it goes on being used.

        Without the master key, which is to be kept apart, the copy is of no use to anybody. Raises `StartError`.
        """
        await asyncio.to_thread(back_up, self._path, target)

    def _read(self, account: str) -> tuple[Profile, Revision]:
        self._cache.drop(account)
        row = self._reader.execute(_LOAD, (account,)).fetchone()
        if row is None:
            return Profile(), UNSAVED
        wrapped, revision, sealed = row
        if wrapped is None:
            raise AccountErased
        key = self._master_key.account_key(account, wrapped)
        profile = decode(key.sealer.open(sealed, profile_context(account, revision)))
        self._cache.put(account, Entry(profile, Revision(revision), key))
        return profile, Revision(revision)

    def _key(self, account: str) -> AccountKey:
        """The key of an account that has a profile."""
        entry = self._cache.get(account)
        if entry is not None:
            return entry.key
        try:
            row = self._reader.execute(_KEY, (account,)).fetchone()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the store cannot be read: {error}") from error
        if row is None:
            raise RevisionConflict
        if row[0] is None:
            raise AccountErased
        return self._master_key.account_key(account, row[0])

    def _erase(self, account: str, connection: sqlite3.Connection) -> None:
        """Ends an account's key and profile; run by the writer."""
        connection.execute(_DESTROY_KEY, (account,))
        connection.execute(_DELETE_PROFILE, (account,))
        self._log_holds_erased = True

    def _unlocked(self, connection: sqlite3.Connection) -> MasterKey:
        """The master key that belongs to the database; both are made where both are missing. Raises `StartError`."""
        try:
            connection.executescript(_SCHEMA)
            row = connection.execute("SELECT proof FROM master").fetchone()
            if row is None:
                key = self._first_master_key()
                connection.execute("INSERT INTO master (proof) VALUES (?)", (key.proof(),))
                return key
        except sqlite3.Error as error:
            raise StartError(f"{self._path} cannot be used ({error}): restore it from a backup") from error
        if not self._master_key_file.exists():
            raise StartError(
                f"{self._path} holds profiles sealed under a master key, and {self._master_key_file} is missing: "
                "put the key back from where you keep its copy; without it the profiles cannot be read"
            )
        key = MasterKey.load(self._master_key_file)
        if not key.proves(row[0]):
            raise StartError(
                f"{self._master_key_file} is not the master key under which {self._path} was made: put that one back"
            )
        return key

    def _first_master_key(self) -> MasterKey:
        if self._master_key_file.exists():
            return MasterKey.load(self._master_key_file)
        return MasterKey.create(self._master_key_file)

    def _clean_log(self, connection: sqlite3.Connection) -> None:
        """After an erasure, empties the write-ahead log, which holds the destroyed key until then.

        A reader in another process, such as a backup, can be in the way; then the next commit tries again.
        """
        if not self._log_holds_erased:
            return
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._log_holds_erased = bool(busy)
        except sqlite3.Error as error:
            _log.error("checkpoint after an erasure failed, to be tried again error=%s", error)


@dataclass(frozen=True, slots=True)
class _Save:
    """The compare-and-set of one profile."""

    account: str
    expected: int
    sealed: bytes
    wrapped: bytes

    def __call__(self, connection: sqlite3.Connection) -> None:
        if self.expected != UNSAVED:
            if connection.execute(_SAVE, (self.sealed, self.account, self.expected)).rowcount != 1:
                raise _refusal(connection, self.account)
        elif connection.execute(_ADD_KEY, (self.account, self.wrapped)).rowcount == 1:
            connection.execute(_ADD_PROFILE, (self.account, self.sealed))
        else:
            raise _refusal(connection, self.account)


def _refusal(connection: sqlite3.Connection, account: str) -> RevisionConflict | AccountErased:
    erased = connection.execute(_ERASED, (account,)).fetchone() is not None
    return AccountErased() if erased else RevisionConflict()
