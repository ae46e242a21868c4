"""WAV files as they are found in the wild."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkling_device.capture.errors import CaptureError, TooLargeError, UnreadableMediaError
from inkling_device.capture.resample import resample
from inkling_device.capture.wav import read_wav

RATES = [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000]


def riff(body: bytes, *, tag: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16, size: int = -1) -> bytes:
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    length = len(body) if size < 0 else size
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", length) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def tone(rate: int, seconds: float = 0.5, hertz: float = 440.0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def samples(pcm: bytes) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.frombuffer(pcm, "<i2").astype(np.float64) / 32768


def test_16_khz_mono_passes_unchanged() -> None:
    """What is already as the agent wants it is not touched by a bit."""
    body = bytes(range(256)) * 10
    assert read_wav(riff(body)).pcm == body


@pytest.mark.parametrize("rate", RATES)
def test_any_rate_gives_the_same_tone(rate: int) -> None:
    """A tone is the same tone, as long and as loud, whatever rate it was stored at."""
    body = (tone(rate) * 32767).astype("<i2").tobytes()
    heard = samples(read_wav(riff(body, rate=rate)).pcm)
    expected = tone(16_000)
    assert abs(len(heard) - len(expected)) <= 1
    middle = slice(500, -500)
    assert np.abs(heard[: len(expected)][middle] - expected[: len(heard)][middle]).max() < 0.01


def test_what_16_khz_cannot_hold_is_filtered_out() -> None:
    """A tone above half the rate does not come back as another tone."""
    high = (0.5 * np.sin(2 * np.pi * 10_000 * np.arange(44_100) / 44_100)).astype(np.float32)
    assert np.abs(resample(high, 44_100)[500:-500]).max() < 0.001


@pytest.mark.parametrize(
    ("tag", "bits", "encode"),
    [
        (1, 8, lambda x: np.round(x * 127 + 128).astype(np.uint8).tobytes()),
        (1, 16, lambda x: (x * 32767).astype("<i2").tobytes()),
        (1, 24, lambda x: (x * (2**23 - 1)).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()),
        (1, 32, lambda x: (x * (2**31 - 1)).astype("<i4").tobytes()),
        (3, 32, lambda x: x.astype("<f4").tobytes()),
        (3, 64, lambda x: x.astype("<f8").tobytes()),
    ],
)
def test_every_width_gives_the_same_sound(tag: int, bits: int, encode: object) -> None:
    """8 to 32 bits and both floating-point widths sound alike."""
    assert callable(encode)
    heard = samples(read_wav(riff(encode(tone(16_000)), tag=tag, bits=bits)).pcm)
    assert np.abs(heard - tone(16_000)).max() < 0.01


def test_stereo_is_mixed() -> None:
    """44.1 kHz stereo with one silent side is the other side at half the level."""
    left = tone(44_100) * 32767
    body = np.stack([left, np.zeros_like(left)], axis=1).astype("<i2").tobytes()
    heard = samples(read_wav(riff(body, channels=2, rate=44_100)).pcm)
    assert heard.max() == pytest.approx(0.25, abs=0.01)


def test_extensible_format_is_read() -> None:
    """The format of multichannel recorders names its encoding further on."""
    plain = riff(b"\1\2" * 100)
    form = struct.pack("<HHIIHHHHIH14s", 0xFFFE, 1, 16_000, 32_000, 2, 16, 22, 16, 4, 1, bytes(14))
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + plain[36:]
    assert read_wav(b"RIFF\0\0\0\0WAVE" + chunks).pcm == b"\1\2" * 100


@pytest.mark.parametrize("size", [0xFFFFFFFF, 10_000])
def test_a_cut_file_gives_what_is_there(size: int) -> None:
    """A file shorter than it says, or with a size that was never filled in, gives the whole frames it has."""
    assert read_wav(riff(b"\1\2" * 50 + b"\3", size=size)).pcm == b"\1\2" * 50


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "not a WAV"),
        (b"RIFF\0\0\0\0WAVE", "ends before"),
        (riff(b"\0\0")[:30], "cut short"),
        (riff(b"\0\0")[:40], "ends before"),
        (riff(b""), "no sound"),
        (riff(b"\0"), "no sound"),
        (riff(b"\0\0", tag=2), "convert"),
        (riff(b"\0\0", bits=12), "convert"),
        (riff(b"\0\0", channels=0), "convert"),
        (riff(b"\0\0", rate=1), "convert"),
    ],
)
def test_what_holds_no_sound_says_so(data: bytes, part: str) -> None:
    """Every way a WAV file can be useless has an error that says which."""
    with pytest.raises(UnreadableMediaError, match=part):
        read_wav(data)


def test_longer_than_an_hour_is_refused() -> None:
    """The bound is checked before anything is converted."""
    with pytest.raises(TooLargeError, match="60 minutes"):
        read_wav(riff(bytes(4_000 * 3601), rate=4_000, bits=8))


@given(st.binary(max_size=200), st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_garbage_never_raises_anything_else(noise: bytes, keep: int) -> None:
    """Whatever follows a plausible beginning, the outcome is sound or a typed error."""
    try:
        sound = read_wav(riff(b"\1\2" * 20)[:keep] + noise)
    except CaptureError:
        return
    assert len(sound.pcm) % 2 == 0
