"""Files that must be secret, or whole, or both."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from inkling_server.errors import StartError


def write_secret(path: Path, content: bytes) -> None:
    """Writes a new file that only its owner can read, whole or not at all, durable on return.

    Raises `FileExistsError` rather than overwrite.
    """
    part = _written_aside(path, content)
    try:
        path.hardlink_to(part)
    finally:
        part.unlink()
    _sync_directory(path.parent)


def read_secret(path: Path, size: int) -> bytes:
    """The content of a secret file. Raises `StartError` where others may read it or it does not hold `size` bytes."""
    mode = path.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise StartError(f"{path} is open to others (mode {stat.S_IMODE(mode):04o}): run `chmod 600 {path}`")
    content = path.read_bytes()
    if len(content) != size:
        raise StartError(f"{path} holds {len(content)} bytes instead of {size}: put back the file as it was made")
    return content


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file so that whoever reads it finds the old content or the new, never a part; durable on return."""
    _written_aside(path, content).replace(path)
    _sync_directory(path.parent)


def make_directory(path: Path) -> None:
    """Makes a directory for its owner alone where it is missing. Raises `StartError` where that cannot be."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"the directory {path} cannot be made: {error.strerror}") from error


def _written_aside(path: Path, content: bytes) -> Path:
    """A file beside `path` that holds `content` durably and that only its owner can read."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return part


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
