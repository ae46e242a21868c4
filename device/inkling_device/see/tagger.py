"""What is in a picture, as probabilities of the 1,000 classes of ImageNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from inkling_device import tflite
from inkling_device.observation import Photo, Tag
from inkling_device.see.pixels import PixelInput, centre, resized

LEAST_PROBABILITY = 0.002
"""Twice what a class gets when the tagger knows nothing; what is below says nothing."""


class Tagger(Protocol):
    """Names what is in a picture."""

    def tag(self, photo: Photo) -> Sequence[Tag]:
        """Tags from `LEAST_PROBABILITY` on, the most probable first; their sum is at most 1. Never raises."""
        ...


class EfficientNetTagger:
    """EfficientNet-Lite (Tan and Le 2019, and the Lite variants of 2020) on TensorFlow Lite.

    The picture's middle square, S / (S + 32) of its shorter side, in S by S pixels, as in training; pixels are
    `(value - 127) / 128`.
    """

    def __init__(self, model: tflite.Model) -> None:
        self._model = model
        self._input = PixelInput(model.inputs[0], middle=127, spread=128)

    def tag(self, photo: Photo) -> Sequence[Tag]:
        size = self._input.width
        square = resized(centre(photo.pixels, size / (size + 32)), size, size)
        logits = self._model.run(self._input.of(square))[0][0]
        exponentials = np.exp(logits - logits.max())
        probabilities = exponentials / exponentials.sum()
        told = np.flatnonzero(probabilities >= LEAST_PROBABILITY)
        order = told[np.argsort(-probabilities[told], kind="stable")]
        return [Tag(int(index), float(probabilities[index])) for index in order]


class FakeTagger:
    """Gives each picture the tags it was told to, in turn; the last for all that follow."""

    def __init__(self, *tags: Sequence[Tag]) -> None:
        self._coming = list(tags)
        self.seen: list[Photo] = []

    def tag(self, photo: Photo) -> Sequence[Tag]:
        self.seen.append(photo)
        tags = self._coming.pop(0) if len(self._coming) > 1 else self._coming[0]
        return sorted(tags, key=lambda tag: -tag.probability)
