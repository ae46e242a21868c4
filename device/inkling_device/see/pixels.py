"""Pictures as the models take them: cropped or fitted, resized, RGB, and in the numbers of the model's input."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from inkling_device import tflite
from inkling_device.capture.opencv import cv2

Pixels = npt.NDArray[np.uint8]


class PixelInput:
    """Turns 8-bit BGR pixels into a model's input by one look-up a value: `(value - middle) / spread`, quantized."""

    def __init__(self, tensor: tflite.Tensor, middle: float, spread: float) -> None:
        _, self.height, self.width, _ = tensor.shape
        values = (np.arange(256, dtype=np.float32) - np.float32(middle)) / np.float32(spread)
        self._table = tflite.quantize(values, tensor)

    def of(self, pixels: Pixels) -> npt.NDArray[Any]:
        """`pixels`, shape (height, width, 3), as an array of shape (1, height, width, 3)."""
        return np.asarray(cv2.LUT(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), self._table))[None]


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """`pixels` in another size: averaged when smaller, as decimation without it makes patterns that are not there."""
    smaller = width <= pixels.shape[1] and height <= pixels.shape[0]
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC))


def centre(pixels: Pixels, share: float) -> Pixels:
    """The square in the middle whose side is `share` of the shorter side."""
    height, width = pixels.shape[:2]
    side = max(int(share * min(height, width)), 1)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def fitted(pixels: Pixels, width: int, height: int) -> tuple[Pixels, float]:
    """The whole of `pixels` in a black frame of `width` by `height`, and the share of the frame that it fills."""
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    inner_width = max(round(pixels.shape[1] * scale), 1)
    inner_height = max(round(pixels.shape[0] * scale), 1)
    frame = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    frame[top : top + inner_height, left : left + inner_width] = resized(pixels, inner_width, inner_height)
    return frame, inner_width * inner_height / (width * height)
