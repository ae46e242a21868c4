"""Reading a profile: scores, dates, reasons."""

from __future__ import annotations

import datetime as dt

import pytest

from inkling_server.days import day_number
from inkling_server.interests import Interest, interests
from inkling_server.policy import Policy
from inkling_server.profile import Batch, Event, Profile, merge

POLICY = Policy()
WALKING, COOKING, WITHHELD = 672, 371, 206
VOICE, TEXT, PHOTO, VIDEO = 1, 2, 3, 4
THURSDAY = dt.date(2026, 5, 7)
"""First day of a week as profiles count them."""


def profile_of(*events: Event) -> Profile:
    """A profile with these events, merged on the day of the last."""
    today = dt.date(2026, 5, 20)
    return merge(Profile(), "a", Batch(1, events), policy=POLICY, today=today)[0]


def event(day: dt.date, source: int = VOICE, *, topic: int = WALKING, percentage: int = 100) -> Event:
    return topic, day_number(day), source, percentage


def read_one(profile: Profile, today: dt.date) -> Interest:
    (found,) = interests(profile, POLICY, today)
    return found


def test_a_sure_event_counts_one_until_the_middle_of_its_week() -> None:
    """An event of this week has not decayed, in its first half not even by rounding."""
    assert read_one(profile_of(event(THURSDAY)), THURSDAY).score == 1.0
    assert read_one(profile_of(event(THURSDAY)), THURSDAY + dt.timedelta(days=3)).score == 1.0


def test_score_halves_after_the_half_life() -> None:
    """Ninety days after the middle of its week an event counts half, after twice that a quarter."""
    profile = profile_of(event(THURSDAY, percentage=80))
    middle = THURSDAY + dt.timedelta(days=3)
    assert read_one(profile, middle + dt.timedelta(days=90)).score == pytest.approx(0.4)
    assert read_one(profile, middle + dt.timedelta(days=180)).score == pytest.approx(0.2)


def test_strongest_first_and_ties_by_topic() -> None:
    """Interests come by falling score."""
    profile = profile_of(
        event(THURSDAY, topic=COOKING, percentage=50), event(THURSDAY), event(THURSDAY, topic=207, percentage=50)
    )
    assert [found.topic for found in interests(profile, POLICY, THURSDAY)] == [WALKING, 207, COOKING]


def test_nothing_older_than_the_maximum_age_is_read() -> None:
    """On the last day of its life a week is read; a day later, when its first day is too old, it is not."""
    profile = profile_of(event(THURSDAY))
    last = THURSDAY + dt.timedelta(days=POLICY.maximum_age_days)
    assert interests(profile, POLICY, last) != []
    assert interests(profile, POLICY, last + dt.timedelta(days=1)) == []


def test_withheld_topics_are_not_read() -> None:
    """A topic that was taken off the sendable list after it was stored does not appear any more."""
    assert interests(profile_of(event(THURSDAY, topic=WITHHELD)), POLICY, THURSDAY) == []


def test_dates_counts_and_history_add_up() -> None:
    """First and last day are those of the events; counts and history each add up to their number."""
    days = [THURSDAY, THURSDAY + dt.timedelta(days=6), THURSDAY + dt.timedelta(days=9)]
    found = read_one(profile_of(event(days[0]), event(days[1], PHOTO), event(days[2], PHOTO)), days[2])
    assert (found.first_day, found.last_day) == (days[0], days[2])
    assert found.counts == {VOICE: 1, PHOTO: 2}
    assert found.history == ((THURSDAY, 2), (THURSDAY + dt.timedelta(days=7), 1))
    assert found.name == "Interest | Sports | Walking"


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (
            [event(dt.date(2026, 5, 2))] * 2 + [event(dt.date(2026, 5, 9)), event(dt.date(2026, 5, 3), PHOTO)],
            "You asked the assistant about this 3 times by voice and took 1 photo of it between 2 and 9 May 2026, "
            "most lately on 9 May.",
        ),
        ([event(dt.date(2026, 5, 9))], "You asked the assistant about this 1 time by voice on 9 May 2026."),
        (
            [event(dt.date(2026, 4, 30)), event(dt.date(2026, 5, 1), TEXT)],
            "You asked the assistant about this 1 time by voice and 1 time in writing between 30 April and 1 May 2026, "
            "most lately on 1 May.",
        ),
        (
            [event(dt.date(2025, 12, 31), PHOTO), event(dt.date(2026, 1, 1), VIDEO), event(dt.date(2026, 1, 1), VIDEO)],
            "You took 1 photo of it and 2 videos of it between 31 December 2025 and 1 January 2026, "
            "most lately on 1 January.",
        ),
    ],
)
def test_reason_tells_what_happened(events: list[Event], reason: str) -> None:
    """The sentence names each way, how often, and when."""
    assert read_one(profile_of(*events), dt.date(2026, 5, 20)).reason == reason
