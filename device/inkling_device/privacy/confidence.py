"""Drops what the agent is not sure to have heard."""

from __future__ import annotations

from inkling_device.observation import Observation
from inkling_device.privacy.guard import Objection


class ConfidenceRule:
    """Objects where the speech model's mean word confidence, or every topic's probability, is under its floor.

    Words that were misheard may hide a sensitive topic from every other rule.
    """

    name = "low_confidence"

    def __init__(self, *, speech: float, topic: float) -> None:
        self._speech = speech
        self._topic = topic

    def objects_to(self, observation: Observation) -> Objection | None:
        if observation.heard_confidence < self._speech:
            return Objection(self.name, "speech")
        if observation.topics and max(score.probability for score in observation.topics) < self._topic:
            return Objection(self.name, "topic")
        return None
