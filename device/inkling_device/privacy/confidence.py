"""Drops what the agent is not sure to have heard, or to have understood."""

from __future__ import annotations

from inkling_device.observation import Observation
from inkling_device.privacy.guard import Objection


def certainty(probability: float, risk: float) -> float:
    """How certain a topic of words is that has this `probability`, where they are sensitive with probability `risk`.

    What may be sensitive, though it is not likely, has to be the surer of its topic: a leak costs more than a silence.
    """
    return probability * (1 - risk) ** 3


class ConfidenceRule:
    """Objects where the speech model's mean word confidence, or the certainty of every topic, is under its floor.

    Words that were misheard may hide a sensitive topic from every other rule.
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
            risk = min(sum(observation.sensitive.values()), 1.0)
            sure = certainty(max(score.probability for score in observation.topics), risk)
            if sure < (self._topic if observation.words is None else self._words):
                return Objection(self.name, "topic")
        return None
