"""Voice activity: whether anybody speaks, in frames of 30 ms, and when speech begins and ends."""

from __future__ import annotations

from collections import deque
from typing import Protocol

import webrtcvad

from inkling_device.observation import SAMPLE_RATE

FRAME_SECONDS = 0.03
"""The longest frame that WebRTC's detector takes, and so the fewest calls."""
FRAME_BYTES = round(SAMPLE_RATE * FRAME_SECONDS) * 2


class VoiceActivity(Protocol):
    """Tells speech from everything else."""

    def is_speech(self, frame: bytes) -> bool:
        """Whether `frame`, `FRAME_BYTES` of 16-bit mono PCM at `SAMPLE_RATE`, holds speech."""
        ...


class WebRtcVoiceActivity:
    """The detector of WebRTC: a Gaussian mixture over six frequency bands."""

    def __init__(self, strictness: int = 2) -> None:
        """`strictness` from 0 (lets most through) to 3 (asks for clear speech)."""
        self._detector = webrtcvad.Vad(strictness)

    def is_speech(self, frame: bytes) -> bool:
        return bool(self._detector.is_speech(frame, SAMPLE_RATE))


class Hysteresis:
    """Steadies frame-wise decisions: speech begins with several voiced frames close together, and ends with a pause."""

    def __init__(self, *, begin: int = 4, within: int = 6, end: int = 20) -> None:
        """Speech begins when `begin` of the last `within` frames are voiced, and ends after `end` that are not."""
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
