"""Makes the text detector's model file from the ONNX file of PP-OCRv4, for pictures of one size.

    python tools/models/convert_text_detector.py

It needs an environment of its own, with these packages (Python 3.11): torch 2.14.1, litert-torch 0.10.0,
ai-edge-quantizer 0.10.0, onnx 1.23.2, onnx2torch 1.5.15, onnxruntime 1.32.0 and rapidocr-onnxruntime 1.4.4, which
brings the weights. Afterwards, `inkling-device models record text_detector` renews the known answer.
"""

from __future__ import annotations

from pathlib import Path

import torch

MODELS = Path(__file__).resolve().parents[2] / "device/inkling_device/models"
HEIGHT, WIDTH = 240, 320
"""Pixels; multiples of 32 fit the network exactly, others are padded inside it. The least at which pages are found."""
LARGEST_DIFFERENCE = 1e-3
"""Between the probabilities of the ONNX file and of the converted one, before its weights are rounded."""


class FixedResize(torch.nn.Module):
    """Nearest-neighbour enlarging by factors known beforehand, which the converter can express."""

    def __init__(self, factors: tuple[float, float]) -> None:
        super().__init__()
        self._factors = factors

    def forward(self, pixels: torch.Tensor, *_: object) -> torch.Tensor:
        return torch.nn.functional.interpolate(pixels, scale_factor=self._factors, mode="nearest")


class ChannelsLast(torch.nn.Module):
    """The network with pictures as TensorFlow Lite has them: (1, height, width, channels)."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self._network = network

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self._network(pixels.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
