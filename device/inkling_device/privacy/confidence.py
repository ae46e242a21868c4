"""Drops what the agent is not sure to have heard, or to have understood."""

from __future__ import annotations

from inkling_device.observation import Observation
from inkling_device.privacy.guard import Objection


class ConfidenceRule:
    """Objects where the speech model's mean word confidence, or the certainty of every topic, is under its floor.

    Words that were misheard may hide a sensitive topic from every other rule. The certainty of a topic of words is its
    probability times the third power of the probability that they are harmless: what may be sensitive, though it is not
    likely, has to be the surer of its topic, for a leak costs more than a silence.
    """

    name = "low_confidence"

    def __init__(self, *, speech: float, topic: float, words: float) -> None:
        """`topic` is the floor for what is seen, `words` for what is said or typed."""
        self._speech = speech
        self._topic = topic
        self._words = words

    def objects_to(self, observation: Observation) -> Objection | None:
        if observation.heard_confidence < self._speech:
            return Objection(self.name, "speech")
        if observation.topics:
            harmless = 1 - min(sum(observation.sensitive.values()), 1.0)
            certainty = max(score.probability for score in observation.topics) * harmless**3
            if certainty < (self._topic if observation.words is None else self._words):
                return Objection(self.name, "topic")
        return None
