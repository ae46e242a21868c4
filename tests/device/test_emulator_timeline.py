"""Whose it was that the agent noticed or sent, and whether it is what the script expects."""

from __future__ import annotations

import datetime as dt

import pytest

from inkling_device.agent import Noticed
from inkling_device.observation import InterestEvent, Source
from inkling_device.outbox import Batch
from inkling_device.privacy.guard import Objection, Verdict
from inkling_device.sync import Sent
from inkling_emulator.day import Expectation, Expected, Input, Kind
from inkling_emulator.timeline import Share, Step, Timeline

WALKING, CATS = 672, 543
TODAY = dt.date(2026, 3, 1)


def happening(kind: Kind, expectation: Expectation | None = None) -> Input:
    return Input(1, dt.time(7), kind, expectation=expectation)


def event(topic: int, source: Source = Source.PHOTO) -> InterestEvent:
    return InterestEvent(topic, source, TODAY, 80)


def released(topic: int, source: Source) -> Noticed:
    return Noticed(source, Verdict(events=[event(topic, source)]))


def stopped(rule: str, source: Source = Source.TEXT) -> Noticed:
    return Noticed(source, Verdict(objection=Objection(rule, "health")))


def nothing(source: Source) -> Noticed:
    return Noticed(source, Verdict())


def test_photos_clips_and_messages_are_each_answered_in_their_order() -> None:
    """However the kinds overtake each other."""
    timeline = Timeline()
    steps = [timeline.begin(happening(kind)) for kind in (Kind.PHOTO, Kind.PHOTO, Kind.CLIP, Kind.TEXT)]
    waits = [timeline.expect(step) for step in steps]
    for noticed in (
        stopped("lexicon"),
        released(CATS, Source.PHOTO),
        nothing(Source.VIDEO),
        released(WALKING, Source.PHOTO),
    ):
        timeline.notice(noticed)
    assert all(wait.is_set() for wait in waits)
    assert [[e.topic for e in step.events] for step in steps] == [[CATS], [WALKING], [], []]
    assert [len(step.objections) for step in steps] == [0, 0, 0, 1]


def test_one_that_was_given_up_is_passed_over() -> None:
    """What comes after it belongs to the next."""
    timeline = Timeline()
    first, second = timeline.begin(happening(Kind.PHOTO)), timeline.begin(happening(Kind.PHOTO))
    timeline.expect(first)
    wait = timeline.expect(second)
    timeline.give_up(first)
    timeline.notice(released(CATS, Source.PHOTO))
    assert wait.is_set()
    assert (first.noticed, len(second.noticed)) == ([], 1)


def test_what_is_heard_belongs_to_the_recording_that_plays() -> None:
    """Also where it is heard as two utterances."""
    timeline = Timeline()
    first, second = timeline.begin(happening(Kind.SAY)), timeline.begin(happening(Kind.OVERHEARD))
    assert (first.noticed, second.noticed) == ([], [])
    timeline.notice(Noticed(Source.VOICE, Verdict(), "one"))
    timeline.notice(Noticed(Source.VOICE, Verdict(), "two"))
    assert (first.words, second.words) == ("", "one two")


def test_an_event_is_told_what_the_network_saw_of_its_batch() -> None:
    """Its own batch, even if one that is equal was sent before."""
    timeline = Timeline()
    steps = [timeline.begin(happening(Kind.PHOTO)) for _ in range(3)]
    for step, topic in zip(steps, (CATS, WALKING, CATS), strict=True):
        timeline.expect(step)
        timeline.notice(released(topic, Source.PHOTO))
    timeline.note_sent(Sent(Batch(1, [event(CATS), event(WALKING)]), 30, 2))
    timeline.note_sent(Sent(Batch(2, [event(CATS)]), 25, 1))
    timeline.settle()
    assert [step.shares for step in steps] == [[Share(1, 2, 30)], [Share(1, 2, 30)], [Share(2, 1, 25)]]


@pytest.mark.parametrize(
    ("expectation", "noticed", "surprise"),
    [
        (Expectation(Expected.RELEASED), [released(CATS, Source.PHOTO)], None),
        (Expectation(Expected.RELEASED, "Interest | Pets"), [released(CATS, Source.PHOTO)], None),
        (Expectation(Expected.RELEASED, "Interest | Art"), [released(CATS, Source.PHOTO)], "as Interest | Pets | Cats"),
        (Expectation(Expected.RELEASED), [stopped("lexicon")], "stopped by lexicon (health)"),
        (Expectation(Expected.RELEASED), [released(CATS, Source.PHOTO), stopped("lexicon")], "stopped by"),
        (Expectation(Expected.RELEASED), [nothing(Source.PHOTO)], "without a topic"),
        (Expectation(Expected.RELEASED), [], "unheard"),
        (Expectation(Expected.STOPPED), [stopped("lexicon")], None),
        (Expectation(Expected.STOPPED, "lexicon"), [stopped("lexicon")], None),
        (Expectation(Expected.STOPPED, "sight"), [stopped("lexicon")], "stopped by lexicon"),
        (Expectation(Expected.STOPPED), [released(CATS, Source.PHOTO)], "released"),
        (Expectation(Expected.STOPPED), [stopped("lexicon"), released(CATS, Source.PHOTO)], "stopped by"),
        (Expectation(Expected.STOPPED), [], "unheard"),
        (Expectation(Expected.NO_TOPIC), [nothing(Source.VOICE)], None),
        (Expectation(Expected.NO_TOPIC), [stopped("lexicon")], "stopped"),
        (Expectation(Expected.NO_TOPIC), [], "unheard"),
        (Expectation(Expected.UNHEARD), [], None),
        (Expectation(Expected.UNHEARD), [nothing(Source.VOICE)], "without a topic"),
        (Expectation(Expected.UNHEARD), [stopped("lexicon")], "stopped"),
        (None, [stopped("lexicon")], None),
    ],
)  # fmt: skip
def test_a_step_is_a_surprise_if_it_is_not_what_was_expected(
    expectation: Expectation | None, noticed: list[Noticed], surprise: str | None
) -> None:
    """What is half released and half stopped meets neither expectation."""
    step = Step(happening(Kind.SAY, expectation), noticed)
    if surprise is None:
        assert step.surprise is None
    else:
        assert surprise in str(step.surprise)
