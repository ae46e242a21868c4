"""The guard: one objection, one failure or no topic, and nothing leaves."""

from __future__ import annotations

import datetime as dt
import logging

import pytest

from inkling_device.observation import InterestEvent, Observation, Sight, Source, Tag, TopicScore
from inkling_device.privacy.combination import CombinationRule, TellingSet, load_sets
from inkling_device.privacy.guard import Guard, Objection

DAY = dt.date(2026, 5, 9)
WALKING = 672
SPORTS = 607


def observation(words: str = "a walk", *topics: tuple[int, float], source: Source = Source.TEXT) -> Observation:
    scores = [TopicScore(topic, probability, probability) for topic, probability in topics or ((WALKING, 0.93),)]
    return Observation(source, scores, words=words)


class Objecting:
    name = "objecting"

    def objects_to(self, observation: Observation) -> Objection | None:
        return Objection(self.name, "category")


class Failing:
    name = "failing"

    def objects_to(self, observation: Observation) -> Objection | None:
        raise ValueError(observation.words)


class Content:
    name = "content"

    def objects_to(self, observation: Observation) -> Objection | None:
        return None


def test_what_no_rule_objects_to_becomes_events_without_words() -> None:
    """Topic, source, day and percentage are all that an event holds."""
    events = Guard([Content()], today=lambda: DAY).release(observation())
    assert events == [InterestEvent(WALKING, Source.TEXT, DAY, 93)]


def test_one_objection_drops_the_whole_observation() -> None:
    """Every topic of it goes, and the reason is told."""
    counted: list[Objection] = []
    guard = Guard([Content(), Objecting()], today=lambda: DAY, count_drop=counted.append)
    verdict = guard.judge(observation("a walk", (WALKING, 0.9), (SPORTS, 0.8)))
    assert verdict.events == ()
    assert verdict.objection == Objection("objecting", "category")
    assert counted == [verdict.objection]


def test_a_rule_that_fails_drops_and_its_error_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """The error's text quotes the words, so the log holds its type alone."""
    caplog.set_level(logging.DEBUG)
    verdict = Guard([Failing(), Content()], today=lambda: DAY).judge(observation("zanzibarquux"))
    assert verdict.events == ()
    assert verdict.objection == Objection("failing", "failed")
    assert "ValueError" in caplog.text
    assert "zanzibarquux" not in caplog.text


def test_no_topic_is_neither_event_nor_objection() -> None:
    """Nothing to tell is not something to hide."""
    verdict = Guard([Content()], today=lambda: DAY).judge(Observation(Source.TEXT, [], words="good morning"))
    assert verdict.events == []
    assert verdict.objection is None


@pytest.mark.parametrize(("probability", "percentage"), [(0.0001, 1), (0.5, 50), (0.999, 100), (1.0, 100)])
def test_percentages_stay_within_one_to_a_hundred(probability: float, percentage: int) -> None:
    """The wire allows no other."""
    [event] = Guard([], today=lambda: DAY).release(observation("a walk", (WALKING, probability)))
    assert event.percentage == percentage


class TestCombinations:
    sets = (TellingSet(frozenset({10, 20}), "health", "why"),)

    @pytest.fixture(autouse=True)
    def small_taxonomy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        parents = {10: 1, 11: 10, 20: 2, 30: 3, 1: None, 2: None, 3: None}

        def ancestors(topic: int) -> list[int]:
            parent = parents[topic]
            return [] if parent is None else [parent, *ancestors(parent)]

        monkeypatch.setattr("inkling_device.privacy.combination.topics.ancestors", ancestors)

    @pytest.mark.parametrize(
        ("before", "now", "objects"),
        [
            ((), 10, False),
            ((20,), 10, True),
            ((20,), 11, True),
            ((11,), 20, True),
            ((30,), 10, False),
            ((20,), 30, False),
        ],
    )
    def test_the_topic_that_completes_a_set_is_held_back(self, before: tuple[int], now: int, objects: bool) -> None:
        """A topic below a member counts as the member; others do not matter."""
        rule = CombinationRule(self.sets, lambda: before)
        assert (rule.objects_to(observation("a", (now, 0.9))) is not None) is objects

    def test_a_line_that_holds_a_whole_set_is_dropped(self) -> None:
        """Also on a day without anything before."""
        rule = CombinationRule(self.sets, lambda: ())
        assert rule.objects_to(observation("a", (10, 0.9), (20, 0.9))) == Objection("combination", "health")


def test_the_shipped_sets_hold_sendable_topics_and_give_reasons() -> None:
    """A set with a topic that is never sent could never be completed."""
    from inkling import topics

    for telling in load_sets():
        assert telling.topics <= topics.sendable(), telling
        assert len(telling.topics) >= 2
        assert telling.reason


def test_reprs_of_what_holds_words_or_pixels_hide_them() -> None:
    """A debugger's or a traceback's rendering must not tell."""
    seen = Observation(
        Source.VOICE,
        [],
        words="zanzibarquux",
        sight=Sight([Tag(1, 0.5)], 0),
        sensitive={"health": 0.9},
    )
    assert "zanzibarquux" not in repr(seen)
    assert "health" not in repr(seen)
