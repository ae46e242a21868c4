"""Reading a profile: scores that decay, and why an interest is there, in plain words.

The score of a topic is the sum over its cells of percentages / 100 * 2 ** (-age / half-life), where the age of a cell
is that of the middle day of its week: exponential forgetting, computed at reading from whole numbers.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from inkling.interests.v1.interests_pb2 import InterestSource
from inkling.topics import sendable, taxonomy
from inkling_server.days import DAYS_A_WEEK, date_of, day_number
from inkling_server.policy import Policy
from inkling_server.profile import Profile, Sighting

_MIDDLE_OF_WEEK = DAYS_A_WEEK // 2


@dataclass(frozen=True, slots=True)
class Interest:
    """One topic of a profile as it stands on a day."""

    topic: int
    """Audience Taxonomy 1.1 id."""
    score: float
    """Sum of decayed weights; one sure event of today counts about 1."""
    first_day: dt.date
    last_day: dt.date
    counts: Mapping[int, int]
    """How often it was noticed, by `InterestSource` number, in their order; sources without an event are left out."""
    history: tuple[tuple[dt.date, int], ...]
    """First day of a week and how often it was noticed in it, oldest first; weeks without an event are left out."""

    @property
    def name(self) -> str:
        """The topic's path, such as `Interest | Sports | Walking`."""
        return taxonomy()[self.topic].name

    @property
    def reason(self) -> str:
        """One true sentence for the wearer that says why the interest is there."""
        return f"You {_listed(_deeds(self.counts))} {_period(self.first_day, self.last_day)}"


def interests(profile: Profile, policy: Policy, now: dt.date) -> list[Interest]:
    """What may be read of a profile on the day `now` (a date, or a time in UTC): the strongest first.

    Blocked topics and sources, what is past the policy's maximum age, and topics that were withheld meanwhile are not
    read; of a paused profile, nothing.
    """
    found: dict[int, list[Sighting]] = {}
    for sighting in _readable(profile, policy, now):
        found.setdefault(sighting.topic, []).append(sighting)
    read = [_interest(topic, sightings, policy, day_number(now)) for topic, sightings in found.items()]
    return sorted(read, key=lambda interest: (-interest.score, interest.topic))


def _readable(profile: Profile, policy: Policy, now: dt.date) -> Iterator[Sighting]:
    if profile.paused:
        return
    topics = sendable()
    for sighting in profile.sightings(policy.oldest_week(now)):
        if (
            sighting.topic in topics
            and sighting.topic not in profile.blocked_topics
            and sighting.source not in profile.blocked_sources
        ):
            yield sighting


def _interest(topic: int, sightings: Sequence[Sighting], policy: Policy, today: int) -> Interest:
    counts: Counter[int] = Counter()
    weeks: Counter[int] = Counter()
    percentages: Counter[int] = Counter()
    for sighting in sightings:
        counts[sighting.source] += sighting.events
        weeks[sighting.week] += sighting.events
        percentages[sighting.week] += sighting.percentages
    return Interest(
        topic=topic,
        # Added up in the order of weeks, so that the same cells give the same sum to the last bit.
        score=sum(percentages[week] / 100 * _decay(week, policy, today) for week in sorted(weeks)),
        first_day=date_of(min(sighting.first_day for sighting in sightings)),
        last_day=date_of(max(sighting.last_day for sighting in sightings)),
        counts=dict(sorted(counts.items())),
        history=tuple((date_of(week * DAYS_A_WEEK), weeks[week]) for week in sorted(weeks)),
    )


def _decay(week: int, policy: Policy, today: int) -> float:
    age = max(0, today - (week * DAYS_A_WEEK + _MIDDLE_OF_WEEK))
    return float(2.0 ** (-age / policy.half_life_days))


def _deeds(counts: Mapping[int, int]) -> Iterator[str]:
    asked = [
        f"{_times(counts[source])} {manner}"
        for source, manner in (
            (InterestSource.INTEREST_SOURCE_VOICE, "by voice"),
            (InterestSource.INTEREST_SOURCE_TEXT, "in writing"),
        )
        if source in counts
    ]
    if asked:
        yield f"asked the assistant about this {_listed(iter(asked))}"
    taken = [
        f"{_number(counts[source], thing)} of it"
        for source, thing in (
            (InterestSource.INTEREST_SOURCE_PHOTO, "photo"),
            (InterestSource.INTEREST_SOURCE_VIDEO, "video"),
        )
        if source in counts
    ]
    if taken:
        yield f"took {_listed(iter(taken))}"


def _listed(parts: Iterator[str]) -> str:
    return " and ".join(parts)


def _times(count: int) -> str:
    return _number(count, "time")


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _period(first: dt.date, last: dt.date) -> str:
    if first == last:
        return f"on {_day(last)} {last.year}."
    start = f"{first.day}" if (first.year, first.month) == (last.year, last.month) else _day(first)
    year = f" {first.year}" if first.year != last.year else ""
    return f"between {start}{year} and {_day(last)} {last.year}, most lately on {_day(last)}."


def _day(day: dt.date) -> str:
    # Not strftime: month names would follow the locale of the server.
    return f"{day.day} {_MONTHS[day.month - 1]}"


_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
