"""How much of a picture is text. Nothing here reads it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from inkling_device import tflite
from inkling_device.capture.opencv import cv2
from inkling_device.observation import Photo
from inkling_device.see.pixels import PixelInput, Pixels, fitted

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
_TILES_A_SIDE = (1, 3)
"""The whole picture at once shows large letters, in nine parts small print."""


class TextDetector(Protocol):
    """Measures text."""

    def share(self, photo: Photo) -> float:
        """Share of the picture's area that is text, 0 to 1. Never raises."""
        ...


class PaddleTextDetector:
    """The text detector of PP-OCRv4 (differentiable binarization, Liao et al. 2020), in tiles of 256 by 192 pixels.

    It costs ten times the tagger, so it is asked only when `may_hold_text` says that there may be something to find.
    Its memory grows with its input: 77 MB for a picture in 640 by 480 pixels at once, 18 MB for a tile.
    """

    def __init__(self, model: tflite.Model, *, threshold: float = 0.3) -> None:
        """`threshold` is the probability from which a pixel is text; 0.3 is that of PP-OCR."""
        self._model = model
        self._input = PixelInput(model.inputs[0], middle=127.5, spread=127.5)
        self._threshold = threshold

    def share(self, photo: Photo) -> float:
        if not may_hold_text(photo):
            return 0.0
        return max(self._share_in_tiles(photo, a_side) for a_side in _TILES_A_SIDE)

    def _share_in_tiles(self, photo: Photo, a_side: int) -> float:
        frame, filled = fitted(photo.pixels, a_side * self._input.width, a_side * self._input.height)
        tiles = [tile for row in np.vsplit(frame, a_side) for tile in np.hsplit(row, a_side)]
        return min(sum(self._marked(tile) for tile in tiles) / len(tiles) / filled, 1.0)

    def _marked(self, tile: Pixels) -> float:
        # PP-OCR was trained on BGR: turned round here, so that the input turns it back.
        probabilities = self._model.run(self._input.of(np.ascontiguousarray(tile[..., ::-1])))[0]
        return float((probabilities >= self._threshold).mean())


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
