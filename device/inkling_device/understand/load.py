"""The text classifier that ships with the agent."""

from __future__ import annotations

from inkling_device import tflite
from inkling_device.models.inventory import CALIBRATION, TEXT, VOCABULARY
from inkling_device.understand.classifier import Calibration, EncoderClassifier
from inkling_device.understand.wordpiece import WordPiece


def load_classifier() -> tuple[EncoderClassifier, Calibration]:
    """The classifier on the runtime in use, and how its outputs are read. Raises what `tflite.load` raises."""
    calibration = Calibration.load(CALIBRATION)
    return EncoderClassifier(tflite.load(TEXT.path()), WordPiece.load(VOCABULARY), calibration), calibration
