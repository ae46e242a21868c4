"""The only maker of interest events.

Every rule is asked about every observation. One objection drops the observation whole, and so does a rule that fails:
what the guard cannot judge, it drops. The words of an observation end here.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from inkling_device.observation import InterestEvent, Observation

log = logging.getLogger(__name__)

CERTAIN = 100
"""The largest percentage of an event."""


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an observation may not leave: the rule's name and the kind of thing it saw. Holds no word of it."""

    rule: str
    category: str | None = None


class Rule(Protocol):
    """One reason to drop an observation."""

    @property
    def name(self) -> str:
        """What the wearer reads in the ledger."""
        ...

    def objects_to(self, observation: Observation) -> Objection | None:
        """The objection, or None. May raise; the guard drops the observation then."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard made of one observation: events, or the objection, or neither where there was no topic."""

    events: Sequence[InterestEvent] = ()
    objection: Objection | None = None


class Guard:
    """Asks the rules in order and turns what none objects to into events.

    `today` gives the current day in UTC. `count_drop` is told of every objection; the counts stay on the device,
    because how often something sensitive was dropped tells as much as the thing itself.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        today: Callable[[], dt.date],
        count_drop: Callable[[Objection], None] = lambda objection: None,
    ) -> None:
        self._rules = tuple(rules)
        self._today = today
        self._count_drop = count_drop

    def release(self, observation: Observation) -> Sequence[InterestEvent]:
        """The events that may leave; empty where a rule objects or there is no topic."""
        return self.judge(observation).events

    def judge(self, observation: Observation) -> Verdict:
        """The same with the reason. Never raises."""
        objection = self._first_objection(observation)
        if objection is not None:
            self._count_drop(objection)
            return Verdict(objection=objection)
        day = self._today()
        return Verdict(
            events=[
                InterestEvent(score.topic, observation.source, day, _percentage(score.probability))
                for score in observation.topics
            ]
        )

    def _first_objection(self, observation: Observation) -> Objection | None:
        for rule in self._rules:
            try:
                objection = rule.objects_to(observation)
            except Exception as error:
                # The text of the error may quote the words: only its type and place are safe to tell.
                log.error("rule %s failed with %s; the observation is dropped", rule.name, type(error).__name__)
                return Objection(rule.name, "failed")
            if objection is not None:
                return objection
        return None


def _percentage(probability: float) -> int:
    return min(max(round(probability * CERTAIN), 1), CERTAIN)
