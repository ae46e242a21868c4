"""Media files given by name: what kind each is, by its first bytes, and reading it."""

from __future__ import annotations

from pathlib import Path

from inkling_device.capture.errors import TooLargeError, UnreadableMediaError
from inkling_device.capture.pictures import is_picture, read_photo
from inkling_device.capture.wav import read_wav
from inkling_device.observation import AudioChunk, Clip, Photo

LARGEST_PHOTO_BYTES = 64 << 20
LARGEST_SOUND_BYTES = 1 << 30

_HEAD_BYTES = 32


def read_media(path: Path) -> AudioChunk | Photo | Clip:
    """What is in the file at `path`: sound (WAV), a photo (JPEG, PNG) or a clip (MP4 and its kin).

    A clip is only looked at when it is watched. Raises `UnreadableMediaError` for anything else and for what is
    damaged, `TooLargeError` for what is over a bound.
    """
    head = _head(path)
    return read_wav(_content(path, LARGEST_SOUND_BYTES)) if _is_sound(head) else _sight(path, head)


def read_sight(path: Path) -> Photo | Clip:
    """As `read_media`, for who has no use for sound: it is refused by its head, before up to a gigabyte is read."""
    head = _head(path)
    if _is_sound(head):
        raise UnreadableMediaError("the file is sound, and only photos and clips are taken")
    return _sight(path, head)


def _sight(path: Path, head: bytes) -> Photo | Clip:
    if is_picture(head):
        return read_photo(_content(path, LARGEST_PHOTO_BYTES))
    if head[4:8] == b"ftyp":
        return Clip(str(path))
    raise UnreadableMediaError(
        "the file is not a WAV, JPEG, PNG or MP4 file; convert it to one" if head else "the file is empty"
    )


def _is_sound(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WAVE"


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise _unopened(error) from error


def _content(path: Path, bound: int) -> bytes:
    try:
        if path.stat().st_size > bound:
            raise TooLargeError(f"the file is larger than {bound >> 20} MB; make it smaller")
        return path.read_bytes()
    except OSError as error:
        raise _unopened(error) from error


def _unopened(error: OSError) -> UnreadableMediaError:
    return UnreadableMediaError(f"the file cannot be opened ({error.strerror})")
