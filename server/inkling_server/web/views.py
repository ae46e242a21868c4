"""A profile as its wearer sees it: everything that is held, what is paused or blocked included."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace

from inkling.policy.v1 import policy_pb2
from inkling.topics import taxonomy
from inkling_server.accounts import Account
from inkling_server.days import day_number
from inkling_server.interests import Interest, interests
from inkling_server.policy import Policy, standing
from inkling_server.profile import Contribution, Profile
from inkling_server.web.charts import Chart, chart, together
from inkling_server.web.words import SOURCE_SENTENCES, STRENGTHS, counted, short_day_text, strength_level

PATH = " › "  # noqa: RUF001  (the arrow of paths)
"""What stands between the parts of a topic's path."""

_BRANCHES = {"Interest": "Interest", "Purchase Intent": "Looking to buy"}


@dataclass(frozen=True, slots=True)
class InterestView:
    """One interest."""

    topic: int
    label: str
    """The last part of its path."""
    above: str
    """The path down to it, from the branch on."""
    strength: str
    level: int
    """0 to 4."""
    score: float
    reason: str
    chart: Chart
    weeks: tuple[tuple[str, str], ...]
    """Each week in which it was noticed, and how often, the latest first."""


@dataclass(frozen=True, slots=True)
class BlockedView:
    """One blocked topic."""

    topic: int
    label: str
    above: str


@dataclass(frozen=True, slots=True)
class SourceView:
    """One way of noticing interests."""

    source: int
    sentence: str
    blocked: bool


@dataclass(frozen=True, slots=True)
class ProfileView:
    """The whole profile."""

    standing: str
    """Name of the standing, less its prefix, in lower case: `eligible`, `paused` and so on."""
    paused: bool
    interests: tuple[InterestView, ...]
    blocked: tuple[BlockedView, ...]
    sources: tuple[SourceView, ...]
    overview: Chart
    noticed: int
    """How often anything was noticed."""

    @property
    def left_out(self) -> bool:
        """Whether nothing of this wearer may be recorded at all, whatever they switch."""
        return self.standing in {"region_excluded", "under_age"}


def held_interests(profile: Profile, policy: Policy, today: dt.date) -> list[Interest]:
    """All interests that a profile holds, with nothing switched off; the strongest first."""
    return interests(
        replace(profile, paused=False, blocked_topics=frozenset(), blocked_sources=frozenset()), policy, today
    )


def profile_view(profile: Profile, account: Account, policy: Policy, today: dt.date) -> ProfileView:
    """The page's view of a profile: while it is paused, what it will hold again when it goes on."""
    shown = interests(replace(profile, paused=False), policy, today)
    # One scale for all: a bar is as high beside one interest as beside another.
    highest = max((count for interest in shown for _, count in interest.history), default=1)
    return ProfileView(
        standing=standing_name(profile, account, policy, today),
        paused=profile.paused,
        interests=tuple(_interest_view(interest, today, highest) for interest in shown),
        blocked=tuple(sorted(map(_blocked_view, profile.blocked_topics), key=lambda topic: topic.label.casefold())),
        sources=tuple(
            SourceView(source, sentence, source in profile.blocked_sources)
            for source, sentence in SOURCE_SENTENCES.items()
        ),
        overview=chart(together(interest.history for interest in shown), today, step=20, height=64),
        noticed=sum(sum(interest.counts.values()) for interest in shown),
    )


def standing_name(profile: Profile, account: Account, policy: Policy, today: dt.date) -> str:
    """Whether the account's interests may be recorded, and if not, why: `eligible`, `paused` and so on."""
    found = standing(
        policy,
        home_region=account.home_region,
        birth_year=account.birth_year,
        paused=profile.paused,
        today=today,
    )
    return policy_pb2.Standing.Name(found).removeprefix("STANDING_").lower()


def brought(contribution: Contribution | None, policy: Policy, today: dt.date) -> str:
    """What a pairing has brought and the profile still holds, in words."""
    found = list(contribution.sightings(policy.oldest_week(today))) if contribution else []
    if not found:
        return "nothing so far"
    hints = counted(sum(sighting.events for sighting in found), "hint")
    return f"{hints} of {counted(len({sighting.topic for sighting in found}), 'interest')}"


def topic_words(topic: int) -> tuple[str, str]:
    """Label of a topic and the path down to it; of one that is not known any more, its number."""
    known = taxonomy().get(topic)
    if known is None:
        return f"Topic {topic}", ""
    branch, *middle = known.name.split(" | ")[:-1] or [known.name]
    return known.label, PATH.join([_BRANCHES.get(branch, branch), *middle])


def _interest_view(interest: Interest, today: dt.date, highest: int) -> InterestView:
    label, above = topic_words(interest.topic)
    level = strength_level(interest.score)
    return InterestView(
        topic=interest.topic,
        label=label,
        above=above,
        strength=STRENGTHS[level],
        level=level,
        score=interest.score,
        reason=interest.reason,
        chart=chart(interest.history, today, step=7, height=32, highest=highest),
        weeks=tuple(_weeks(interest.history)),
    )


def _weeks(history: Iterable[tuple[dt.date, int]]) -> Iterable[tuple[str, str]]:
    for day, count in sorted(history, key=lambda entry: -day_number(entry[0])):
        yield f"{short_day_text(day)} {day.year}", counted(count, "time")


def _blocked_view(topic: int) -> BlockedView:
    label, above = topic_words(topic)
    return BlockedView(topic, label, above)
