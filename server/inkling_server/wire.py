"""Between the messages of the contract and the domain: the only place that knows both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from google.protobuf.timestamp_pb2 import Timestamp

from inkling.interests.v1.interests_pb2 import InterestSource
from inkling.profiles.v1 import profiles_pb2
from inkling.sync.v1 import sync_pb2
from inkling.topics import SEGTAX, sendable
from inkling_server.days import DAYS_A_WEEK, SECONDS_A_DAY, day_number
from inkling_server.errors import MalformedBatch
from inkling_server.interests import Interest
from inkling_server.policy import Policy
from inkling_server.profile import Batch, Event

Rejection = tuple[int, sync_pb2.RejectionReason]
"""Place of an event in its batch, from 0, and why it was not taken."""

_CERTAIN = 100
"""The highest percentage."""

_DAYS_AHEAD = 1
"""How far a day may lie in the future: a device's clock may be off, and its midnight come first."""


def batch_from(request: sync_pb2.PushRequest, policy: Policy, today: dt.date) -> tuple[Batch, list[Rejection]]:
    """The batch of a request, and the events that are not taken.

    An event is judged singly, and the rest of its batch counts. Days are rounded down to whole ones, whatever the
    device sent. Raises `MalformedBatch` where columns differ in length, the batch is over the policy's limit, or the
    sequence is 0.
    """
    _check_shape(request, policy)
    columns = request.events
    first_day = columns.first_day_time.seconds // SECONDS_A_DAY
    topics, sources, percentages = columns.topics[:], columns.sources[:], columns.percentages[:]
    days = [first_day + offset for offset in columns.day_offsets[:]]
    events = tuple(zip(topics, days, sources, percentages, strict=True))
    rules = _Rules.of(policy, today)
    if rules.allow_all(topics, days, sources, percentages):
        return Batch(request.sequence, events), []
    reasons = [rules.reason(event) for event in events]
    kept = tuple(event for event, reason in zip(events, reasons, strict=True) if reason is None)
    return Batch(request.sequence, kept), [
        (index, reason) for index, reason in enumerate(reasons) if reason is not None
    ]


@dataclass(frozen=True, slots=True)
class _Rules:
    """What an event must keep to."""

    topics: frozenset[int]
    sources: frozenset[int]
    earliest: int
    """The first day that counts, since 1970-01-01."""
    latest: int
    """The last day that counts, since 1970-01-01."""

    @classmethod
    def of(cls, policy: Policy, today: dt.date) -> _Rules:
        earliest = max(day_number(policy.start), policy.oldest_week(today) * DAYS_A_WEEK)
        return cls(sendable(), policy.sources, earliest, day_number(today) + _DAYS_AHEAD)

    def allow_all(
        self, topics: Sequence[int], days: Sequence[int], sources: Sequence[int], percentages: Sequence[int]
    ) -> bool:
        """Whether every event is valid, found column by column: nearly always the case, and several times as fast."""
        return not topics or (
            self.topics.issuperset(topics)
            and self.sources.issuperset(sources)
            and self.earliest <= min(days)
            and max(days) <= self.latest
            and min(percentages) >= 1
            and max(percentages) <= _CERTAIN
        )

    def reason(self, event: Event) -> sync_pb2.RejectionReason | None:
        """Why an event is not valid, the first reason in the contract's order; None where it is."""
        topic, day, source, percentage = event
        if topic not in self.topics:
            return sync_pb2.REJECTION_REASON_TOPIC
        if source not in self.sources:
            return sync_pb2.REJECTION_REASON_SOURCE
        if day < self.earliest:
            return sync_pb2.REJECTION_REASON_TOO_OLD
        if day > self.latest:
            return sync_pb2.REJECTION_REASON_FUTURE
        if not 1 <= percentage <= _CERTAIN:
            return sync_pb2.REJECTION_REASON_PERCENTAGE
        return None


def _check_shape(request: sync_pb2.PushRequest, policy: Policy) -> None:
    columns = request.events
    lengths = {len(columns.topics), len(columns.day_offsets), len(columns.sources), len(columns.percentages)}
    if len(lengths) > 1:
        raise MalformedBatch("topics, day_offsets, sources and percentages must be equally long")
    if (count := lengths.pop()) > policy.maximum_batch_events:
        raise MalformedBatch(f"a batch may hold {policy.maximum_batch_events} events, not {count}")
    if request.sequence == 0:
        raise MalformedBatch("sequence must be 1 or more")


def without_standing(batch: Batch, rejections: Sequence[Rejection]) -> tuple[Batch, list[Rejection]]:
    """The batch of an account whose standing does not allow recording: its sequence counts, none of its events does."""
    count = len(batch.events) + len(rejections)
    reasons = dict(rejections)
    standing = sync_pb2.REJECTION_REASON_STANDING
    return Batch(batch.sequence, ()), [(index, reasons.get(index, standing)) for index in range(count)]


def with_blocked(batch: Batch, rejections: Sequence[Rejection], blocked: Iterable[int]) -> list[Rejection]:
    """The rejections, and those of what the wearer has blocked; `blocked` gives places among the batch's events."""
    before = {index for index, _ in rejections}
    places = [index for index in range(len(batch.events) + len(rejections)) if index not in before]
    return sorted([*rejections, *((places[at], sync_pb2.REJECTION_REASON_BLOCKED) for at in blocked)])


def push_response(
    last_sequence: int, accepted_count: int, rejections: Iterable[Rejection], pause: float = 0.0
) -> sync_pb2.PushResponse:
    """The answer to a batch; `pause` in seconds."""
    response = sync_pb2.PushResponse(last_sequence=last_sequence, accepted_count=accepted_count)
    for index, reason in rejections:
        response.rejections.add(index=index, reason=reason)
    if pause > 0:
        response.pause.FromMilliseconds(int(pause * 1000))
    return response


def interest_message(interest: Interest) -> profiles_pb2.Interest:
    """One interest for a reader."""
    return profiles_pb2.Interest(
        topic=interest.topic,
        name=interest.name,
        score=interest.score,
        first_day_time=midnight(interest.first_day),
        last_day_time=midnight(interest.last_day),
        source_counts=[
            profiles_pb2.SourceCount(source=cast("InterestSource", source), count=count)
            for source, count in interest.counts.items()
        ],
        reason=interest.reason,
    )


def segments_message(interests: Iterable[Interest], provider: str) -> profiles_pb2.Data:
    """Interests as an OpenRTB `Data` object, whose values are texts with three decimals."""
    return profiles_pb2.Data(
        name=provider,
        segment=[profiles_pb2.Segment(id=str(found.topic), value=f"{found.score:.3f}") for found in interests],
        ext=profiles_pb2.DataExt(segtax=SEGTAX),
    )


def midnight(day: dt.date) -> Timestamp:
    """Midnight UTC of a day."""
    return Timestamp(seconds=day_number(day) * SECONDS_A_DAY)


def timestamp(time: dt.datetime) -> Timestamp:
    """A time as the contract writes it."""
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp
