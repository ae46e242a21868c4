"""Files and directories that nobody but the wearer's own user may read."""

from __future__ import annotations

import os
from pathlib import Path

from inkling_device.errors import StateError


def make_private_directory(directory: Path) -> None:
    """Makes a directory with mode 0700, or gives an existing one that mode. Raises `StateError`."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
    except OSError as error:
        raise StateError(f"the state directory {directory} cannot be made: {error.strerror}") from error


def write_private(path: Path, content: bytes) -> None:
    """Replaces a file by one of mode 0600: old or new content, never a part, and on disk when this returns.

    Raises `StateError`; the old file stays then.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise StateError(f"{path} cannot be written: {error.strerror}") from error


def remove_private(path: Path) -> None:
    """Removes a file where it exists, durably. Raises `StateError`."""
    try:
        path.unlink(missing_ok=True)
        path.with_name(f".{path.name}.part").unlink(missing_ok=True)
        if path.parent.exists():
            sync_directory(path.parent)
    except OSError as error:
        raise StateError(f"{path} cannot be removed: {error.strerror}") from error


def sync_directory(directory: Path) -> None:
    """Makes what was created, renamed or removed in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
