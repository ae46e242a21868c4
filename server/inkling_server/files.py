"""Files that must be secret, or whole, or both."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from inkling_server.errors import StartError


def write_secret(path: Path, content: bytes) -> None:
    """Writes a new file that only its owner can read, durably. Raises `FileExistsError` rather than overwrite."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
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
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
