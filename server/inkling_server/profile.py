"""The interest profile of an account: merging, forgetting, blocking. Pure functions over frozen values.

What a pairing brought is a table of cells, one for each topic, week and source, of whole numbers that only ever add
up. Adding whole numbers gives the same sum in any order and any grouping, so profiles do not depend on the order in
which batches arrive; scores, which decay and are not whole, are computed when a profile is read (see `interests`).
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import NamedTuple

from inkling.storage.v1 import profile_pb2
from inkling_server.days import DAYS_A_WEEK
from inkling_server.errors import SequenceGap
from inkling_server.policy import Policy

# A push goes through dozens of these, so they are plain tuples: making one takes a tenth of a named tuple's time.

Event = tuple[int, int, int, int]
"""One interest event, valid under the policy: topic (a sendable id of the Audience Taxonomy 1.1), day (since
1970-01-01), source (an `InterestSource` number), percentage (1 to 100)."""

CellKey = tuple[int, int]
"""What the events of a cell have in common, besides their week: topic and source."""

Cell = tuple[int, int, int, int]
"""The events of one topic, week and source, added up: their number, the sum of their percentages, and the first and
the last day on which there was one, 0 to 6 within the week."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a pairing sends at once."""

    sequence: int
    """1, 2, 3 and so on within the pairing."""
    events: tuple[Event, ...]


class Sighting(NamedTuple):
    """A cell as those who read profiles want it."""

    topic: int
    source: int
    """An `InterestSource` number."""
    week: int
    """Days since 1970-01-01 divided by 7."""
    events: int
    """How many there were."""
    percentages: int
    """Sum of their percentages."""
    first_day: int
    """The first day on which there was one, since 1970-01-01."""
    last_day: int
    """The last day on which there was one, since 1970-01-01."""


@dataclass(frozen=True)
class Week:
    """The cells of one week. Past weeks hardly change, so each keeps its stored form once it was asked for."""

    number: int
    """Days since 1970-01-01 divided by 7."""
    cells: Mapping[CellKey, Cell]

    @functools.cached_property
    def columns(self) -> bytes:
        """The cells as a serialized `inkling.storage.v1.Contribution` that holds nothing but its columns."""
        topics, sources = zip(*self.cells, strict=True)
        events, percentages, first_days, last_days = zip(*self.cells.values(), strict=True)
        return profile_pb2.Contribution(
            topics=topics,
            weeks=[self.number] * len(topics),
            sources=sources,
            counts=events,
            percentages=percentages,
            first_days=first_days,
            last_days=last_days,
        ).SerializeToString()

    def sightings(self) -> Iterator[Sighting]:
        """The cells, for reading."""
        start = self.number * DAYS_A_WEEK
        for (topic, source), (events, percentages, first, last) in self.cells.items():
            yield Sighting(topic, source, self.number, events, percentages, start + first, start + last)


Weeks = Mapping[int, Week]
"""By number; none of them is empty."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one pairing brought."""

    last_sequence: int = 0
    """The last sequence merged; saved together with what it brought, so that nothing counts twice."""
    weeks: Weeks = field(default_factory=lambda: MappingProxyType({}))

    def sightings(self, oldest_week: int = 0) -> Iterator[Sighting]:
        """The cells from `oldest_week` on, for reading."""
        for week in self.weeks.values():
            if week.number >= oldest_week:
                yield from week.sightings()


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

    def last_sequence(self, pairing: str) -> int:
        """The last sequence merged of a pairing, 0 for one that is not known."""
        contribution = self.contributions.get(pairing)
        return contribution.last_sequence if contribution else 0

    def sightings(self, oldest_week: int = 0) -> Iterator[Sighting]:
        """The cells of all pairings from `oldest_week` on, for reading."""
        for contribution in self.contributions.values():
            yield from contribution.sightings(oldest_week)


@dataclass(frozen=True, slots=True)
class MergeOutcome:
    """What became of a batch."""

    last_sequence: int
    """The last sequence that the profile holds of the pairing."""
    accepted_count: int = 0
    """How many events were taken; 0 where the batch was merged before."""
    blocked: frozenset[int] = frozenset()
    """The places in the batch of events that were not taken, because the wearer has blocked their topic or source."""
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
    events: Sequence[Event] = () if profile.paused else batch.events
    blocked = _blocked(profile, events)
    if blocked:
        events = [event for place, event in enumerate(events) if place not in blocked]
    weeks = _added(held.weeks, events)
    contributions = {**profile.contributions, pairing: Contribution(batch.sequence, weeks)}
    merged = replace(profile, contributions=contributions)
    outcome = MergeOutcome(batch.sequence, accepted_count=len(events), blocked=blocked, paused=profile.paused)
    return compact(merged, policy.oldest_week(today)), outcome


def compact(profile: Profile, oldest_week: int) -> Profile:
    """The profile without the weeks before `oldest_week`."""
    if all(min(held.weeks, default=oldest_week) >= oldest_week for held in profile.contributions.values()):
        return profile
    contributions = {
        pairing: replace(held, weeks={number: week for number, week in held.weeks.items() if number >= oldest_week})
        for pairing, held in profile.contributions.items()
    }
    return replace(profile, contributions=contributions)


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


def _blocked(profile: Profile, events: Iterable[Event]) -> frozenset[int]:
    topics, sources = profile.blocked_topics, profile.blocked_sources
    if not topics and not sources:
        return frozenset()
    return frozenset(place for place, event in enumerate(events) if event[0] in topics or event[2] in sources)


def _added(weeks: Weeks, events: Iterable[Event]) -> Weeks:
    """The weeks with events added; those that get none are the same objects as before."""
    changed: dict[int, dict[CellKey, Cell]] = {}
    for topic, day, source, percentage in events:
        number, weekday = day // DAYS_A_WEEK, day % DAYS_A_WEEK
        cells = changed.get(number)
        if cells is None:
            held = weeks.get(number)
            cells = changed[number] = dict(held.cells) if held else {}
        key = topic, source
        cell = cells.get(key)
        if cell is None:
            cells[key] = 1, percentage, weekday, weekday
        else:
            count, percentages, first, last = cell
            # Comparisons, because calling min and max takes several times as long.
            first = first if first < weekday else weekday  # noqa: FURB136
            last = last if last > weekday else weekday  # noqa: FURB136
            cells[key] = count + 1, percentages + percentage, first, last
    return {**weeks, **{number: Week(number, cells) for number, cells in changed.items()}}
