"""Drops what names a topic outside the sendable list, whatever made it do so."""

from __future__ import annotations

from inkling import topics
from inkling_device.observation import Observation
from inkling_device.privacy.guard import Objection


class SendableRule:
    """Objects to any topic that `inkling.topics` withholds or does not know, and names the reason."""

    name = "not_sendable"

    def objects_to(self, observation: Observation) -> Objection | None:
        for score in observation.topics:
            if score.topic not in topics.sendable():
                return Objection(self.name, topics.withheld().get(score.topic, "unknown topic"))
        return None
