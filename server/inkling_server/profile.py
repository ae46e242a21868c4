"""The interest profile of an account: merging, forgetting, blocking. Pure functions over frozen values.

What a pairing brought is a table of cells, one for each topic, week and source, of whole numbers that only ever add
up. Adding whole numbers gives the same sum in any order and any grouping, so profiles do not depend on the order in
which batches arrive; scores, which decay and are not whole, are computed when a profile is read (see `interests`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from inkling_server.days import DAYS_A_WEEK
from inkling_server.errors import SequenceGap
from inkling_server.policy import Policy


class Event(NamedTuple):
    """One interest event, valid under the policy."""

    topic: int
    """A sendable id of the Audience Taxonomy 1.1."""
    day: int
    """Days since 1970-01-01."""
    source: int
    """An `InterestSource` number."""
    percentage: int
    """How sure the device was, 1 to 100."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a pairing sends at once."""

    sequence: int
    """1, 2, 3 and so on within the pairing."""
    events: tuple[Event, ...]


class CellKey(NamedTuple):
    """What the events of a cell have in common."""

    topic: int
    week: int
    """Days since 1970-01-01 divided by 7."""
    source: int


class Cell(NamedTuple):
    """The events of one topic, week and source, added up."""

    events: int
    """How many there were."""
    percentages: int
    """Sum of the events' percentages."""
    first_day: int
    """The first day on which there was one, 0 to 6 within the week."""
    last_day: int
    """The last day on which there was one, 0 to 6 within the week."""


Cells = Mapping[CellKey, Cell]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one pairing brought."""

    last_sequence: int = 0
    """The last sequence merged; saved together with what it brought, so that nothing counts twice."""
    cells: Cells = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything held of one account's interests."""

    contributions: Mapping[str, Contribution] = field(default_factory=lambda: MappingProxyType({}))
    """By pairing, so that forgetting one takes out exactly what it brought."""
    paused: bool = False
    """Nothing is added and nothing read."""
    blocked_topics: frozenset[int] = frozenset()
    """Topics that are neither added nor read; what was there before comes back when they are allowed again."""
    blocked_sources: frozenset[int] = frozenset()
    """The same for sources."""
    oldest_week: int = field(default=0, compare=False, repr=False)
    """The week up to which `compact` has been over this value; it spares the next one the way through every cell."""

    def last_sequence(self, pairing: str) -> int:
        """The last sequence merged of a pairing, 0 for one that is not known."""
        contribution = self.contributions.get(pairing)
        return contribution.last_sequence if contribution else 0

    def cell_count(self) -> int:
        """Number of cells: what a profile costs in memory and time."""
        return sum(len(contribution.cells) for contribution in self.contributions.values())


@dataclass(frozen=True, slots=True)
class MergeOutcome:
    """What became of a batch."""

    last_sequence: int
    """The last sequence that the profile holds of the pairing."""
    accepted_count: int = 0
    """How many events were taken; 0 where the batch was merged before."""
    merged_before: bool = False
    """The batch was merged before, and nothing has changed."""
    paused: bool = False
    """The profile is paused: the sequence counts, its events do not."""


def merge(
    profile: Profile, pairing: str, batch: Batch, *, policy: Policy, today: dt.date
) -> tuple[Profile, MergeOutcome]:
    """The profile with a batch of a pairing in it, and with what is past the policy's maximum age taken out.

    A batch that was merged before changes nothing. Raises `SequenceGap` for one whose predecessor is missing.
    """
    held = profile.contributions.get(pairing) or Contribution()
    if batch.sequence <= held.last_sequence:
        return profile, MergeOutcome(held.last_sequence, merged_before=True)
    if batch.sequence > held.last_sequence + 1:
        raise SequenceGap(held.last_sequence)
    events = () if profile.paused else batch.events
    cells = _added(held.cells, _allowed(profile, events))
    contributions = dict(profile.contributions)
    contributions[pairing] = Contribution(batch.sequence, cells)
    merged = Profile(
        contributions, profile.paused, profile.blocked_topics, profile.blocked_sources, profile.oldest_week
    )
    outcome = MergeOutcome(batch.sequence, accepted_count=len(events), paused=profile.paused)
    return compact(merged, policy.oldest_week(today)), outcome


def compact(profile: Profile, oldest_week: int) -> Profile:
    """The profile without the weeks before `oldest_week`."""
    if oldest_week <= profile.oldest_week:
        return profile
    contributions = {
        pairing: Contribution(
            held.last_sequence, {key: cell for key, cell in held.cells.items() if key.week >= oldest_week}
        )
        for pairing, held in profile.contributions.items()
    }
    return replace(profile, contributions=contributions, oldest_week=oldest_week)


def forget(profile: Profile, pairing: str) -> Profile:
    """The profile as if the pairing had never brought anything."""
    kept = {name: held for name, held in profile.contributions.items() if name != pairing}
    return replace(profile, contributions=kept)


def pause(profile: Profile, paused: bool) -> Profile:
    """The profile paused, or going on."""
    return replace(profile, paused=paused)


def block_topic(profile: Profile, topic: int) -> Profile:
    """The profile without the use of a topic."""
    return replace(profile, blocked_topics=profile.blocked_topics | {topic})


def allow_topic(profile: Profile, topic: int) -> Profile:
    """Takes back `block_topic`."""
    return replace(profile, blocked_topics=profile.blocked_topics - {topic})


def block_source(profile: Profile, source: int) -> Profile:
    """The profile without the use of a source."""
    return replace(profile, blocked_sources=profile.blocked_sources | {source})


def allow_source(profile: Profile, source: int) -> Profile:
    """Takes back `block_source`."""
    return replace(profile, blocked_sources=profile.blocked_sources - {source})


def _allowed(profile: Profile, events: Iterable[Event]) -> Iterable[Event]:
    topics, sources = profile.blocked_topics, profile.blocked_sources
    if not topics and not sources:
        return events
    return [event for event in events if event.topic not in topics and event.source not in sources]


def _added(cells: Cells, events: Iterable[Event]) -> Cells:
    """The cells with events added."""
    added = dict(cells)
    for topic, day, source, percentage in events:
        week, weekday = divmod(day, DAYS_A_WEEK)
        key = CellKey(topic, week, source)
        cell = added.get(key)
        if cell is None:
            added[key] = Cell(1, percentage, weekday, weekday)
        else:
            count, percentages, first, last = cell
            added[key] = Cell(
                count + 1,
                percentages + percentage,
                min(weekday, first),
                max(weekday, last),
            )
    return added
