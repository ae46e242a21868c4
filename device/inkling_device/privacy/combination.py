"""Holds back topics that are harmless one by one and telling together within a day.

The sets are data: `combinations.tsv`, each with its reason. The topic that would complete a set is what is held back.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

from inkling import topics
from inkling_device.observation import Observation
from inkling_device.privacy.guard import Objection


@dataclass(frozen=True, slots=True)
class TellingSet:
    """Topics that together tell `category`; a topic below one of them in the taxonomy counts as it."""

    topics: frozenset[int]
    category: str
    reason: str


def load_sets() -> Sequence[TellingSet]:
    """The sets that ship with the agent."""
    text = resources.files(__package__).joinpath("combinations.tsv").read_text(encoding="utf-8")
    return [
        TellingSet(frozenset(map(int, row["topics"].split(","))), row["category"], row["reason"])
        for row in csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    ]


class CombinationRule:
    """`released_today` gives the topics that were released on the current day, from the ledger."""

    name = "combination"

    def __init__(self, sets: Sequence[TellingSet], released_today: Callable[[], Collection[int]]) -> None:
        self._sets = sets
        self._released_today = released_today

    def objects_to(self, observation: Observation) -> Objection | None:
        if not observation.topics:
            return None
        before = _with_ancestors(self._released_today())
        now = before | _with_ancestors(score.topic for score in observation.topics)
        for telling in self._sets:
            if telling.topics <= now and not telling.topics <= before:
                return Objection(self.name, telling.category)
        return None


def _with_ancestors(ids: Iterable[int]) -> set[int]:
    return {node for topic in ids for node in (topic, *topics.ancestors(topic))}
