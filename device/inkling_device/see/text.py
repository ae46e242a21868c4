"""How much of a picture is text. Nothing here reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from inkling_device import tflite
from inkling_device.capture.opencv import cv2
from inkling_device.observation import Photo
from inkling_device.see.pixels import PixelInput, fitted

_EDGE_SIDE = 480
"""Longer side, in pixels, of the picture in which edges are counted."""
_BLOCK = 16
_LEAST_EDGE = 12
"""Step between two pixels below which it is noise."""
_EDGE_OF_CONTRAST = 0.2
_FULL_OF_EDGES = 0.12
"""Share of a block's pixels."""
_TEXT_LIKE_SHARE = 0.15
"""Share of a picture's blocks."""


class TextDetector(Protocol):
    """Measures text."""

    def share(self, photo: Photo) -> float:
        """Share of the picture's area that is text, 0 to 1. Never raises."""
        ...


class PaddleTextDetector:
    """The text detector of PP-OCRv4 (differentiable binarization, Liao et al. 2020), in 640 by 480 pixels.

    It costs ten times the tagger, so it is asked only when `may_hold_text` says that there may be something to find. It
    takes 70 MB, so it is loaded only then, in 30 ms, and let go at once.
    """

    def __init__(self, open_model: Callable[[], tflite.Model], *, threshold: float = 0.3) -> None:
        """`threshold` is the probability from which a pixel is text; 0.3 is that of PP-OCR."""
        self._open_model = open_model
        self._threshold = threshold

    def share(self, photo: Photo) -> float:
        if not may_hold_text(photo):
            return 0.0
        model = self._open_model()
        taken = PixelInput(model.inputs[0], middle=127.5, spread=127.5)
        frame, filled = fitted(photo.pixels, taken.width, taken.height)
        # PP-OCR was trained on BGR: turned round here, so that the input turns it back.
        marked = model.run(taken.of(np.ascontiguousarray(frame[..., ::-1])))[0] >= self._threshold
        return min(float(marked.mean()) / filled, 1.0)


def may_hold_text(photo: Photo) -> bool:
    """Whether enough of the picture is as full of edges as lines of text are; a thirtieth of the detector's cost.

    Edges count relative to the picture's own contrast, so that pale print on grey counts as black on white does. Pages
    with 6 to 45 lines, pale, dark or blurred, have 0.22 or more of their blocks full of edges; other pictures have less
    than 0.15, but for grass, bricks and the like, on which the detector then runs and finds nothing.
    """
    grey = cv2.cvtColor(photo.pixels, cv2.COLOR_BGR2GRAY)
    scale = _EDGE_SIDE / max(grey.shape)
    if scale < 1:
        size = (max(round(grey.shape[1] * scale), 2), max(round(grey.shape[0] * scale), 2))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    if min(grey.shape) < _BLOCK:
        return False
    below = np.cumsum(cv2.calcHist([grey], [0], None, [256], [0, 256])) / grey.size
    contrast = int(np.searchsorted(below, 0.99) - np.searchsorted(below, 0.01))
    edges = cv2.absdiff(grey[:, 1:], grey[:, :-1]) > max(_LEAST_EDGE, _EDGE_OF_CONTRAST * contrast)
    blocks = (max(edges.shape[1] // _BLOCK, 1), max(edges.shape[0] // _BLOCK, 1))
    density = cv2.resize(edges.astype(np.float32), blocks, interpolation=cv2.INTER_AREA)
    return bool((density > _FULL_OF_EDGES).mean() >= _TEXT_LIKE_SHARE)


class FakeTextDetector:
    """Finds the share it was told to in every picture."""

    def __init__(self, share: float = 0.0) -> None:
        self._share = share

    def share(self, photo: Photo) -> float:
        return self._share
