"""Reads WAV files as they are found: any rate, width and number of channels; cut short; with sizes never filled in."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inkling_device.capture.errors import TooLargeError, UnreadableMediaError
from inkling_device.capture.resample import resample
from inkling_device.observation import AudioChunk

LONGEST_SECONDS = 3600
"""An hour; at 16 kHz that is 115 MB in memory."""

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SLICE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class _Format:
    tag: int
    channels: int
    rate: int
    bits: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8


def read_wav(data: bytes) -> AudioChunk:
    """The sound in the WAV file `data`. Of a file cut short, what is there.

    Raises `UnreadableMediaError` if that is nothing, or no sound that can be read, `TooLargeError` beyond an hour.
    """
    form: _Format | None = None
    for name, body in _chunks(data):
        if name == b"fmt ":
            form = _format(body)
        elif name == b"data" and form is not None:
            return _sound(body, form)
    raise UnreadableMediaError("the WAV file ends before its sound begins; record or copy it again")


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Chunks of the RIFF file with their bodies; the last may be shorter than it says."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise UnreadableMediaError("not a WAV file")
    view = memoryview(data)
    position = 12
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        yield name, view[position + 8 : position + 8 + size]
        position += 8 + size + size % 2


def _format(body: memoryview) -> _Format:
    if len(body) < 16:
        raise UnreadableMediaError("the WAV file's format is cut short; record or copy it again")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack_from("<H", body, 24)
    form = _Format(tag, channels, rate, bits)
    known = (tag == _PCM and bits in {8, 16, 24, 32}) or (tag == _FLOAT and bits in {32, 64})
    if not known:
        raise UnreadableMediaError(
            f"the WAV file's encoding (format {tag}, {bits} bits) is not read; convert it to 16-bit PCM"
        )
    if not (1 <= channels <= 32 and 4_000 <= rate <= 384_000):
        raise UnreadableMediaError(
            f"a WAV file of {channels} channels at {rate} Hz is not read; convert it to 16 kHz mono"
        )
    return form


def _sound(body: memoryview, form: _Format) -> AudioChunk:
    frames = len(body) // form.frame_bytes
    if not frames:
        raise UnreadableMediaError("the WAV file holds no sound")
    if frames > LONGEST_SECONDS * form.rate:
        raise TooLargeError(f"the WAV file is longer than {LONGEST_SECONDS // 60} minutes; cut it")
    body = body[: frames * form.frame_bytes]
    if form == _Format(_PCM, 1, 16_000, 16):
        return AudioChunk(bytes(body))
    mono = np.empty(frames, np.float32)
    step = _SLICE_SECONDS * form.rate  # in slices, so that wide formats do not take many times their size
    for start in range(0, frames, step):
        piece = _numbers(body[start * form.frame_bytes : (start + step) * form.frame_bytes], form)
        mono[start : start + step] = piece.reshape(-1, form.channels).mean(axis=1)
    steps = np.clip(np.round(resample(mono, form.rate) * 32768), -32768, 32767)
    return AudioChunk(steps.astype("<i2").tobytes())


def _numbers(body: memoryview, form: _Format) -> npt.NDArray[np.float32]:
    """Samples of all channels in turn, -1 to 1, float32 of shape (frames * channels,)."""
    if form.tag == _FLOAT:
        return np.nan_to_num(np.frombuffer(body, f"<f{form.bits // 8}").astype(np.float32))
    if form.bits == 8:  # the only width that is unsigned
        return (np.frombuffer(body, np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
    if form.bits == 24:
        padded = np.zeros((len(body) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        return padded.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    integers: npt.NDArray[np.integer] = np.frombuffer(body, f"<i{form.bits // 8}")
    return integers.astype(np.float32) / np.float32(2 ** (form.bits - 1))
