"""Voice activity: whether anybody speaks, in frames of 30 ms, and when speech begins and ends."""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

import numpy as np
import webrtcvad

from inkling_device.observation import SAMPLE_RATE

FRAME_SECONDS = 0.03
"""The longest frame that WebRTC's detector takes, and so the fewest calls."""
FRAME_BYTES = round(SAMPLE_RATE * FRAME_SECONDS) * 2

_RISE_PER_FRAME = 1.01
"""How fast the room's level may rise: doubles in two seconds."""
_RISE_FROM_NOTHING = 0.5
"""So that it can leave 0, after digital silence."""


class VoiceActivity(Protocol):
    """Tells speech from everything else."""

    def is_speech(self, frame: bytes) -> bool:
        """Whether `frame`, `FRAME_BYTES` of 16-bit mono PCM at `SAMPLE_RATE`, holds speech."""
        ...


class WebRtcVoiceActivity:
    """The detector of WebRTC, a Gaussian mixture over six frequency bands, asked only about what stands out.

    Steady noise passes for speech with it, so a frame must also be louder than the room by `margin`. The room's level
    follows quiet frames at once and rises slowly, so that speech does not become the room.
    """

    def __init__(self, strictness: int = 2, *, margin: float = 2.0, quietest: float = 40.0) -> None:
        """`strictness` from 0 (lets most through) to 3 (asks for clear speech); `margin` is a ratio of amplitudes;
        below `quietest` (root mean square of samples, -58 dB of full scale) no frame is speech."""
        self._detector = webrtcvad.Vad(strictness)
        self._margin = margin
        self._quietest = quietest
        self._room = math.inf  # the first frame is the room, until something quieter shows that it was not

    def is_speech(self, frame: bytes) -> bool:
        samples = np.frombuffer(frame, np.int16).astype(np.float32)
        level = math.sqrt(float(samples @ samples) / len(samples))
        self._room = min(level, self._room * _RISE_PER_FRAME + _RISE_FROM_NOTHING)
        loud_enough = level >= max(self._quietest, self._margin * self._room)
        return loud_enough and bool(self._detector.is_speech(frame, SAMPLE_RATE))


class Hysteresis:
    """Steadies frame-wise decisions: speech begins with several voiced frames close together, and ends with a pause."""

    def __init__(self, *, begin: int = 4, within: int = 6, end: int = 8) -> None:
        """Speech begins when `begin` of the last `within` frames are voiced, and ends after `end` that are not: by
        default a pause of 0.24 s, as there is between phrases and not between the words of one."""
        self._begin = begin
        self._recent: deque[bool] = deque(maxlen=within)
        self._end = end
        self._quiet = 0
        self.speaking = False

    def step(self, voiced: bool) -> bool:
        """Takes the next frame's decision and says whether speech is going on."""
        self._recent.append(voiced)
        self._quiet = 0 if voiced else self._quiet + 1
        if self.speaking:
            self.speaking = self._quiet < self._end
        else:
            self.speaking = sum(self._recent) >= self._begin
        return self.speaking

    def reset(self) -> None:
        """Forgets everything, as at the start."""
        self._recent.clear()
        self._quiet = 0
        self.speaking = False


class FakeVoiceActivity:
    """Takes everything but digital silence for speech."""

    def is_speech(self, frame: bytes) -> bool:
        return any(frame)
