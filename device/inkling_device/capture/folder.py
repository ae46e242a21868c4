"""A watched folder, into which a camera app drops photos and clips. Nothing in it is ever changed or deleted."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from inkling_device.capture.errors import CaptureError, SourceError
from inkling_device.capture.files import read_sight
from inkling_device.errors import StateError
from inkling_device.observation import Clip, Photo
from inkling_device.private_files import write_private

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Version:
    """One state of one file; a file written anew is another."""

    name: str
    size: int
    modified_ns: int

    @property
    def mark(self) -> str:
        """Tells versions apart without telling the name."""
        text = f"{self.name}\0{self.size}\0{self.modified_ns}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


class WatchedFolder:
    """Yields each photo and clip once, when its file has stopped changing, in the order of their times.

    What was taken is remembered in `memory`, a file of marks that tell no names, and remembered before it is handed
    over: after a crash a file may be left out, never counted twice. What cannot be read is set aside with a warning,
    which does not tell its name, and tried again only if the file changes.
    """

    def __init__(
        self,
        folder: Path,
        memory: Path,
        *,
        every: float = 1.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Looks `every` so many seconds; a file is settled when two looks in a row find it unchanged."""
        self._folder = folder
        self._memory = memory
        self._every = every
        self._sleep = sleep

    async def samples(self) -> AsyncGenerator[Photo | Clip, None]:
        """Raises `SourceError` if the folder is not there or the memory cannot be kept."""
        taken = await asyncio.to_thread(self._recall)
        before: frozenset[_Version] = frozenset()
        while True:
            now = frozenset(await asyncio.to_thread(self._look))
            settled = (version for version in now & before if version.mark not in taken)
            for version in sorted(settled, key=lambda version: (version.modified_ns, version.name)):
                taken.add(version.mark)
                await asyncio.to_thread(self._remember, version.mark)
                sample = await asyncio.to_thread(self._take, version)
                if sample is not None:
                    yield sample
            before = now
            await self._sleep(self._every)

    def _look(self) -> Iterable[_Version]:
        try:
            with os.scandir(self._folder) as entries:
                return [version for entry in entries if (version := _version(entry)) is not None]
        except OSError as error:
            raise SourceError(f"the watched folder cannot be read ({error.strerror}); check the setting") from error

    def _take(self, version: _Version) -> Photo | Clip | None:
        try:
            return read_sight(self._folder / version.name)
        except CaptureError as error:
            _log.warning("a file in the watched folder was set aside: %s", error)
            return None

    def _recall(self) -> set[str]:
        """The marks of what was taken and is still there; the rest is forgotten."""
        try:
            known = set(self._memory.read_text(encoding="ascii").split()) if self._memory.exists() else set()
            known &= {version.mark for version in self._look()}
            write_private(self._memory, "".join(f"{mark}\n" for mark in sorted(known)).encode("ascii"))
        except (OSError, StateError, UnicodeDecodeError) as error:
            raise self._memory_error(error) from error
        return known

    def _remember(self, mark: str) -> None:
        try:
            with self._memory.open("a", encoding="ascii") as file:
                file.write(f"{mark}\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._memory_error(error) from error

    def _memory_error(self, error: Exception) -> SourceError:
        return SourceError(
            f"the watched folder's memory {self._memory} cannot be kept ({type(error).__name__});"
            " free some space, or delete it if it is damaged: what is in the folder is then taken once more"
        )


def _version(entry: os.DirEntry[str]) -> _Version | None:
    """The state of a file; None for what is none, is hidden, or has gone since the folder was listed."""
    try:
        if entry.name.startswith(".") or not entry.is_file():
            return None
        status = entry.stat()
    except FileNotFoundError:
        return None
    return _Version(entry.name, status.st_size, status.st_mtime_ns)
