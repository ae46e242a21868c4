"""Drops what the classifier takes for a sensitive topic, or for a language that it cannot judge."""

from __future__ import annotations

from inkling_device.observation import Observation
from inkling_device.privacy.guard import Objection


class SensitiveTopicRule:
    """Objects where the probabilities of all sensitive categories sum up to `threshold`, and names the likeliest."""

    name = "sensitive_topic"

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    def objects_to(self, observation: Observation) -> Objection | None:
        sensitive = observation.sensitive
        if not sensitive or sum(sensitive.values()) < self._threshold:
            return None
        return Objection(self.name, max(sensitive, key=sensitive.__getitem__))
