"""How many faces are in a picture. Where they are, or whose, is never kept."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from inkling_device import tflite
from inkling_device.observation import Photo
from inkling_device.see.pixels import PixelInput, fitted

Boxes = npt.NDArray[np.float32]

_CELL = 4
"""Pixels of the input between two anchors."""
_SAME_FACE = 0.3
"""Boxes that share more than this (intersection over union) are one face."""


class FaceDetector(Protocol):
    """Counts faces."""

    def count(self, photo: Photo) -> int:
        """Faces in the picture. Never raises."""
        ...


class BlazeFaceDetector:
    """BlazeFace, full range (Bazarevsky et al. 2019; MediaPipe): the whole picture in 192 by 192 pixels.

    One anchor in the middle of every cell of 4 by 4 pixels; the model gives for each a box (centre and size, in pixels,
    the centre from the anchor) and the logit of its being a face. Finds faces from a thirteenth of the picture's longer
    side on.
    """

    def __init__(self, model: tflite.Model, *, threshold: float = 0.5) -> None:
        self._model = model
        self._input = PixelInput(model.inputs[0], middle=127.5, spread=127.5)
        self._boxes, self._logits = sorted(range(2), key=lambda output: -model.outputs[output].shape[-1])
        self._least_logit = float(np.log(threshold / (1 - threshold)))
        cells = (np.arange(self._input.width // _CELL, dtype=np.float32) + 0.5) * _CELL
        self._anchors = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)

    def count(self, photo: Photo) -> int:
        frame, _ = fitted(photo.pixels, self._input.width, self._input.height)
        outputs = self._model.run(self._input.of(frame))
        logits = outputs[self._logits][0, :, 0]
        found = np.flatnonzero(logits >= self._least_logit)
        if not len(found):
            return 0
        boxes = outputs[self._boxes][0, found, :4]
        middles, sizes = boxes[:, :2] + self._anchors[found], boxes[:, 2:]
        corners = np.concatenate([middles - sizes / 2, middles + sizes / 2], axis=1)
        return count_distinct(corners[np.argsort(-logits[found])])


def count_distinct(boxes: Boxes) -> int:
    """How many of `boxes` are not largely the same as one before; shape (n, 4): left, top, right, bottom."""
    kept: list[Boxes] = []
    for box in boxes:
        if all(_overlap(box, other) <= _SAME_FACE for other in kept):
            kept.append(box)
    return len(kept)


def _overlap(a: Boxes, b: Boxes) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return float(shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared))


class FakeFaceDetector:
    """Counts what it was told to, picture by picture; the last for all that follow."""

    def __init__(self, *counts: int) -> None:
        self._coming = list(counts) or [0]

    def count(self, photo: Photo) -> int:
        return self._coming.pop(0) if len(self._coming) > 1 else self._coming[0]
