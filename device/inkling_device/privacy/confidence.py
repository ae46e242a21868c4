"""Drops what the agent is not sure to have heard, or to have understood."""

from __future__ import annotations

from inkling_device.observation import Observation, Source
from inkling_device.privacy.guard import Objection


def certainty(of_topic: float, risk: float, heard: float = 1.0) -> float:
    """How certain a topic of words is: `of_topic` by its own, and the words sensitive with probability `risk`.

    What may be sensitive, though it is not likely, has to be the surer of its topic: a leak costs more than a silence.
    So has what was `heard` with little confidence (its mean over the words): misheard words hide what they are about.
    """
    return of_topic * ((1 - risk) * heard) ** 3


class ConfidenceRule:
    """Objects where the certainty of every topic is under its floor, and says whether the hearing was to blame.

    What is spoken has a floor of its own, because even what is heard well is never heard with full confidence.
    """

    name = "low_confidence"

    def __init__(self, *, seen: float, typed: float, spoken: float) -> None:
        """`seen` is the floor for topics of pictures, the others for those of words."""
        self._seen = seen
        self._typed = typed
        self._spoken = spoken

    def objects_to(self, observation: Observation) -> Objection | None:
        if not observation.topics:
            return None
        of_topic = max(score.certainty for score in observation.topics)
        if observation.words is None:
            return Objection(self.name, "topic") if of_topic < self._seen else None
        risk = min(sum(observation.sensitive.values()), 1.0)
        floor = self._spoken if observation.source is Source.VOICE else self._typed
        if certainty(of_topic, risk, observation.heard_confidence) >= floor:
            return None
        return Objection(self.name, "topic" if certainty(of_topic, risk) < floor else "speech")
