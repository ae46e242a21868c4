"""Drops pictures of people, of what tells a sensitive topic, and of text that nobody here can judge."""

from __future__ import annotations

from collections.abc import Sequence

from inkling_device.observation import Observation
from inkling_device.privacy.guard import Objection
from inkling_device.see.tag_topics import TagMeaning


class SightRule:
    """Objects to sensitive tags from `threshold` on (their probabilities summed by category), faces, and much text.

    `meanings` gives for each of the tagger's classes whether it is sensitive.
    """

    name = "sight"

    def __init__(self, meanings: Sequence[TagMeaning], *, threshold: float, text_share: float) -> None:
        self._meanings = meanings
        self._threshold = threshold
        self._text_share = text_share

    def objects_to(self, observation: Observation) -> Objection | None:
        sight = observation.sight
        if sight is None:
            return None
        sums: dict[str, float] = {}
        for tag in sight.tags:
            category = self._meanings[tag.index].sensitive
            if category is not None:
                sums[category] = sums.get(category, 0.0) + tag.probability
        worst = max(sums, key=sums.__getitem__, default=None)
        if worst is not None and sums[worst] >= self._threshold:
            return Objection(self.name, worst)
        if sight.faces:
            return Objection(self.name, "people")
        if sight.text_share >= self._text_share:
            return Objection(self.name, "text")
        return None
