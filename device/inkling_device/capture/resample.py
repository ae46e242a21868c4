"""Sound of any rate, width and number of channels as the agent's 16 kHz mono."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

from inkling_device.observation import SAMPLE_RATE

Samples = npt.NDArray[np.float32]

_ZEROS = 24
"""Zero crossings of the sinc on each side: with the window below, 80 dB down within a tenth of the band."""
_BETA = 8.0
"""Of the Kaiser window (Oppenheim and Schafer, Discrete-Time Signal Processing, 7.5.3), for 80 dB."""
_PASS = 0.95
"""Share of the band that passes unharmed."""


def resample(samples: Samples, rate: int) -> Samples:
    """`samples`, float32 of shape (n,) at `rate`, at `SAMPLE_RATE`: a polyphase filter with a windowed sinc."""
    if rate == SAMPLE_RATE or not len(samples):
        return samples
    common = math.gcd(rate, SAMPLE_RATE)
    up, down = SAMPLE_RATE // common, rate // common
    filters = _filters(up, down)
    taps = filters.shape[1]
    padded = np.pad(samples, (taps // 2 - 1, taps // 2 + 1))
    windows = np.lib.stride_tricks.sliding_window_view(padded, taps)
    length = math.ceil(len(samples) * up / down)
    result = np.empty(length, np.float32)
    for first in range(min(up, length)):
        # Every `up`-th sample of the result is at the same place between samples of the input, `down` of them apart.
        place, phase = divmod(first * down, up)
        count = len(range(first, length, up))
        result[first::up] = windows[place : place + (count - 1) * down + 1 : down] @ filters[phase]
    return result


@functools.lru_cache(maxsize=4)
def _filters(up: int, down: int) -> Samples:
    """One row for each place between two samples of the input, float32 of shape (up, taps)."""
    cutoff = _PASS * min(1.0, up / down)
    half = math.ceil(_ZEROS / cutoff)
    distances = np.arange(1 - half, half + 1)[None, :] - np.arange(up)[:, None] / up
    window = np.i0(_BETA * np.sqrt(np.clip(1 - (distances / half) ** 2, 0, 1))) / np.i0(_BETA)
    filters = np.sinc(cutoff * distances) * window
    return np.asarray(filters / filters.sum(axis=1, keepdims=True), np.float32)
