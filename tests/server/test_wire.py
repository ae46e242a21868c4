"""From requests to batches: what is taken, what is rejected singly, what is refused as a whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pytest

from inkling.sync.v1 import sync_pb2
from inkling.topics import sendable, withheld
from inkling_server.days import SECONDS_A_DAY, date_of, day_number
from inkling_server.errors import MalformedBatch
from inkling_server.interests import Interest
from inkling_server.policy import Policy
from inkling_server.profile import Batch
from inkling_server.wire import batch_from, interest_message, push_response, segments_message, without_standing

POLICY = Policy()
TODAY = dt.date(2027, 9, 10)
DAY = day_number(TODAY)
WALKING = 672
OLDEST = POLICY.oldest_week(TODAY) * 7
TOPIC, SOURCE, TOO_OLD, FUTURE, PERCENTAGE, STANDING = (
    sync_pb2.REJECTION_REASON_TOPIC,
    sync_pb2.REJECTION_REASON_SOURCE,
    sync_pb2.REJECTION_REASON_TOO_OLD,
    sync_pb2.REJECTION_REASON_FUTURE,
    sync_pb2.REJECTION_REASON_PERCENTAGE,
    sync_pb2.REJECTION_REASON_STANDING,
)


def request(*events: Sequence[int], sequence: int = 1, first_day: int = DAY - 30) -> sync_pb2.PushRequest:
    """A request with events of topic, day, source and percentage."""
    message = sync_pb2.PushRequest(sequence=sequence)
    message.events.first_day_time.seconds = first_day * SECONDS_A_DAY
    for topic, day, source, percentage in events:
        message.events.topics.append(topic)
        message.events.day_offsets.append(day - first_day)
        message.events.sources.append(source)  # type: ignore[arg-type]  # any number may be on the wire
        message.events.percentages.append(percentage)
    return message


def test_a_good_batch_is_taken_whole() -> None:
    """Sequence and events come through in order."""
    batch, rejections = batch_from(request((WALKING, DAY, 1, 90), (371, DAY - 3, 3, 50), sequence=7), POLICY, TODAY)
    assert batch == Batch(7, ((WALKING, DAY, 1, 90), (371, DAY - 3, 3, 50)))
    assert rejections == []


def test_an_empty_batch_is_taken() -> None:
    """A device sends one under the sequence of a batch that was refused."""
    assert batch_from(sync_pb2.PushRequest(sequence=3), POLICY, TODAY) == (Batch(3, ()), [])


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ((WALKING, DAY, 1, 1), None),
        ((WALKING, DAY, 1, 100), None),
        ((WALKING, DAY, 1, 0), PERCENTAGE),
        ((WALKING, DAY, 1, 101), PERCENTAGE),
        ((WALKING, DAY, 1, 2**32 - 1), PERCENTAGE),
        ((WALKING, DAY + 1, 1, 90), None),
        ((WALKING, DAY + 2, 1, 90), FUTURE),
        ((WALKING, DAY - 30 + 2**32 - 1, 1, 90), FUTURE),
        ((0, DAY, 1, 90), TOPIC),
        ((206, DAY, 1, 90), TOPIC),  # the branch itself
        ((1, DAY, 1, 90), TOPIC),  # demographic, not an interest
        ((999_999, DAY, 1, 90), TOPIC),
        ((min(withheld()), DAY, 1, 90), TOPIC),
        ((WALKING, DAY, 0, 90), SOURCE),
        ((WALKING, DAY, 5, 90), SOURCE),
        ((WALKING, DAY, 4, 90), None),
        ((0, DAY + 2, 0, 0), TOPIC),  # the first reason in the contract's order
    ],
)
def test_each_event_is_judged_singly(event: tuple[int, int, int, int], reason: int | None) -> None:
    """A bad event is rejected with its place and reason, and its neighbours count."""
    good = (WALKING, DAY, 1, 90)
    batch, rejections = batch_from(request(good, event, good), POLICY, TODAY)
    if reason is None:
        assert (batch.events, rejections) == ((good, event, good), [])
    else:
        assert (batch.events, rejections) == ((good, good), [(1, reason)])


@pytest.mark.parametrize(("day", "taken"), [(OLDEST, True), (OLDEST - 1, False), (0, False), (-40_000, False)])
def test_days_past_the_maximum_age_are_rejected(day: int, taken: bool) -> None:
    """The oldest day taken is the first of the oldest week that a profile holds; times before 1970 are old, too."""
    batch, rejections = batch_from(request((WALKING, day, 1, 90), first_day=day), POLICY, TODAY)
    assert (len(batch.events), rejections) == ((1, []) if taken else (0, [(0, TOO_OLD)]))


def test_days_before_the_start_are_rejected() -> None:
    """What was said before the policy's first day does not count, and what was said on it does."""
    start = day_number(POLICY.start)
    message = request((WALKING, start - 1, 1, 90), (WALKING, start, 1, 90), first_day=start - 1)
    batch, rejections = batch_from(message, POLICY, POLICY.start)
    assert (batch.events, rejections) == (((WALKING, start, 1, 90),), [(0, TOO_OLD)])


def test_a_missing_first_day_is_old() -> None:
    """Without a day the events are of 1970, and rejected as such."""
    message = request((WALKING, DAY, 1, 90), first_day=DAY)
    message.events.ClearField("first_day_time")
    assert batch_from(message, POLICY, TODAY)[1] == [(0, TOO_OLD)]


def test_a_finer_time_is_rounded_down_to_its_day() -> None:
    """Days are the finest time that is kept, whatever a device sends."""
    message = request((WALKING, DAY, 1, 90), first_day=DAY)
    message.events.first_day_time.seconds += SECONDS_A_DAY - 1
    assert batch_from(message, POLICY, TODAY)[0].events == ((WALKING, DAY, 1, 90),)


def test_sources_that_the_policy_leaves_out_are_rejected() -> None:
    """The policy decides which sources count."""
    policy = replace(POLICY, sources=frozenset({1}))
    batch, rejections = batch_from(request((WALKING, DAY, 1, 90), (WALKING, DAY, 3, 90)), policy, TODAY)
    assert (batch.events, rejections) == (((WALKING, DAY, 1, 90),), [(1, SOURCE)])


@pytest.mark.parametrize("column", ["topics", "day_offsets", "sources", "percentages"])
def test_columns_of_unequal_length_are_malformed(column: str) -> None:
    """No column may be longer or shorter than the others."""
    longer = request((WALKING, DAY, 1, 90))
    getattr(longer.events, column).append(1)
    shorter = request((WALKING, DAY, 1, 90))
    shorter.events.ClearField(column)
    for message in (longer, shorter):
        with pytest.raises(MalformedBatch, match="equally long"):
            batch_from(message, POLICY, TODAY)


def test_sequence_zero_is_malformed() -> None:
    """Sequences start at 1."""
    with pytest.raises(MalformedBatch, match="sequence"):
        batch_from(request((WALKING, DAY, 1, 90), sequence=0), POLICY, TODAY)


def test_batches_over_the_limit_are_malformed() -> None:
    """As many events as the policy allows are taken, one more is not."""
    events = [(WALKING, DAY, 1, 90)] * POLICY.maximum_batch_events
    assert len(batch_from(request(*events), POLICY, TODAY)[0].events) == POLICY.maximum_batch_events
    with pytest.raises(MalformedBatch, match="256"):
        batch_from(request(*events, events[0]), POLICY, TODAY)


def test_every_sendable_topic_is_taken() -> None:
    """The validator's list is the vocabulary's."""
    policy = replace(POLICY, maximum_batch_events=5000)
    events = [(topic, DAY, 1, 90) for topic in sorted(sendable())]
    assert batch_from(request(*events), policy, TODAY)[1] == []


def test_without_standing_every_event_is_rejected() -> None:
    """The sequence stays; events that were rejected for another reason keep it."""
    batch, rejections = without_standing(Batch(4, ((WALKING, DAY, 1, 90), (371, DAY, 1, 90))), [(1, PERCENTAGE)])
    assert batch == Batch(4, ())
    assert rejections == [(0, STANDING), (1, PERCENTAGE), (2, STANDING)]


def test_answers_carry_what_became_of_the_batch() -> None:
    """Rejections keep their place; a pause is there only where it is needed."""
    answer = push_response(7, 3, [(1, TOPIC)], pause=1.5)
    assert (answer.last_sequence, answer.accepted_count) == (7, 3)
    assert [(rejection.index, rejection.reason) for rejection in answer.rejections] == [(1, TOPIC)]
    assert answer.pause.ToMilliseconds() == 1500
    assert not push_response(7, 3, []).HasField("pause")


INTEREST = Interest(WALKING, 1.23456, date_of(DAY - 1), date_of(DAY), {1: 3, 3: 1}, ())


def test_interest_message_says_all() -> None:
    """Names, midnights, counts and the reason are there."""
    message = interest_message(INTEREST)
    assert (message.topic, message.name, message.score) == (WALKING, "Interest | Sports | Walking", 1.23456)
    assert message.first_day_time.seconds == (DAY - 1) * SECONDS_A_DAY
    assert message.last_day_time.seconds == DAY * SECONDS_A_DAY
    assert [(count.source, count.count) for count in message.source_counts] == [(1, 3), (3, 1)]
    assert message.reason == INTEREST.reason


def test_segments_are_openrtb() -> None:
    """Ids and values are texts, and the taxonomy is number 4."""
    data = segments_message([INTEREST], "Provider")
    assert (data.name, data.ext.segtax) == ("Provider", 4)
    assert [(segment.id, segment.value) for segment in data.segment] == [("672", "1.235")]
