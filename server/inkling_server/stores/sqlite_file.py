"""Opening SQLite files the way the server wants them, and copying them while they are in use."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from inkling_server.errors import StartError

_BUSY_SECONDS = 5.0
"""How long a write waits for another process, such as the operator's command line, to finish its own."""


_CHECKPOINT_PAGES = 4000
"""Pages, 16 MB, that the write-ahead log holds before they go to the database; rewritten ones go there once."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection that any thread may use, one at a time, with transactions under the caller's control.

    WAL with `synchronous=FULL`: a commit is on disk when it returns. `secure_delete` overwrites what is deleted.
    The file is made 0600 where it is missing. Raises `StartError` where it cannot be opened or is no database.
    """
    try:
        _make(path)
        connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    except OSError as error:
        raise StartError(f"{path} cannot be opened: {error.strerror}") from error
    except sqlite3.OperationalError as error:
        raise StartError(f"{path} cannot be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StartError(f"{path} is damaged or no database ({error}): restore it from a backup") from error
    return connection


def _make(path: Path) -> None:
    """Makes an empty file, 0600, where there is none.

    One that is there is not opened. Closing any descriptor of a file takes away all locks that the process has on it
    (POSIX, fcntl), those of its SQLite connections among them; another process that closes the file would then take
    itself for the last, and delete the write-ahead log in use (https://sqlite.org/howtocorrupt.html, section 2.2).
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def back_up(source: Path, target: Path) -> None:
    """Copies a database that may be in use into a new file, 0600, as it stands at one moment.

    A copy of the profiles is of no use to anybody without the master key, which is to be kept apart.

    Raises `StartError` where either file cannot be used; nothing is left at `target` then.
    """
    if not source.exists():
        raise StartError(f"{source} does not exist: name the data directory of the server")
    if target.exists():
        raise StartError(f"{target} exists already: back up into an empty directory")
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        reader = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
        _make(part)
        writer = sqlite3.connect(part)
        try:
            reader.backup(writer)
            writer.execute("PRAGMA journal_mode = DELETE")
        finally:
            writer.close()
            reader.close()
        _sync(part)
        part.rename(target)
        _sync(target.parent)
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise StartError(f"{source} cannot be copied to {target}: {error}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
