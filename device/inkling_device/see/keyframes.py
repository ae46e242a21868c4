"""Chooses the few frames of a clip that stand for it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from inkling_device.capture.errors import UnreadableMediaError
from inkling_device.capture.opencv import cv2
from inkling_device.observation import Clip, Photo
from inkling_device.see.pixels import Pixels, resized

FRAMES_A_KEY_FRAME = 20
"""At most one frame in so many is a key frame; a shorter clip has one."""
MOST_FRAMES = 9_000
"""Five minutes at 30 frames a second; what comes after is not looked at."""
MOST_KEY_FRAMES = 60

_STEP = 5
"""Every so many frames one is compared: a scene shorter than a sixth of a second is no scene."""
_REFRESH = 40
"""After so many frames without a change of scene, another key frame, so that a still clip is judged by several."""
_CHANGE = 0.35
"""Bhattacharyya distance of colour histograms (0 the same, 1 nothing in common) from which the scene is another."""
_SMALL = (64, 36)
_SIDE = 480
"""Shorter side of a key frame; as of photos, see `inkling_device.capture.pictures.LEAST_SIDE`."""


def key_frames(clip: Clip) -> Iterator[Photo]:
    """The first frame of `clip`, the first of each new scene, and one now and then of a long one.

    Frames are counted as they are decoded; what the file says of itself is not believed. Raises `UnreadableMediaError`
    if there is no frame to decode.
    """
    video = cv2.VideoCapture(clip.path, cv2.CAP_FFMPEG)
    try:
        if not video.isOpened():
            raise UnreadableMediaError("the clip cannot be opened; it is damaged, or not a video")
        chooser = _Chooser()
        while chooser.may_go_on and video.grab():
            if chooser.wants_to_see():
                good, frame = video.retrieve()
                pixels = np.asarray(frame, np.uint8)
                if good and chooser.is_key_frame(pixels):
                    yield Photo(_reduced(pixels))
        if not chooser.chosen:
            raise UnreadableMediaError("the clip holds no frame that can be decoded; it is damaged or cut short")
    finally:
        video.release()


class _Chooser:
    def __init__(self) -> None:
        self._seen = 0
        self.chosen = 0
        self._last_chosen = 0
        self._histogram: npt.NDArray[np.float32] | None = None

    @property
    def may_go_on(self) -> bool:
        return self._seen < MOST_FRAMES and self.chosen < MOST_KEY_FRAMES

    def wants_to_see(self) -> bool:
        """Counts the next frame, and says whether it is worth converting to pixels."""
        self._seen += 1
        if not self.chosen:
            return True
        return (self.chosen + 1) * FRAMES_A_KEY_FRAME <= self._seen and self._seen % _STEP == 0

    def is_key_frame(self, frame: Pixels) -> bool:
        histogram = _histogram(frame)
        if self._histogram is not None and self._seen - self._last_chosen < _REFRESH:
            distance = cv2.compareHist(self._histogram, histogram, cv2.HISTCMP_BHATTACHARYYA)
            if distance < _CHANGE:
                return False
        self._histogram = histogram
        self._last_chosen = self._seen
        self.chosen += 1
        return True


def _histogram(frame: Pixels) -> npt.NDArray[np.float32]:
    small = resized(frame, *_SMALL)
    counts = cv2.calcHist([small], [0, 1, 2], None, [6, 6, 6], [0, 256] * 3)
    return np.asarray(counts / counts.sum(), np.float32)


def _reduced(frame: Pixels) -> Pixels:
    height, width = frame.shape[:2]
    scale = _SIDE / min(height, width)
    return resized(frame, round(width * scale), round(height * scale)) if scale < 1 else frame.copy()
