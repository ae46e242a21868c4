"""The text classifier that ships with the agent."""

from __future__ import annotations

from inkling_device import tflite
from inkling_device.models import check
from inkling_device.models.inventory import CALIBRATION, TEXT
from inkling_device.understand.classifier import Calibration, EncoderClassifier
from inkling_device.understand.spaces import vocabulary


def load_classifier(slot: tflite.Slot | None = None) -> tuple[EncoderClassifier, Calibration]:
    """The classifier on the runtime in use, checked, and how its outputs are read.

    Its model is in `slot`, by default one of its own. Raises what `check.load` raises.
    """
    calibration = Calibration.load(CALIBRATION)
    model = check.load(TEXT.name, slot or tflite.Slot())
    return EncoderClassifier(model, vocabulary(), calibration), calibration
