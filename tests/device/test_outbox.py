"""The outbox: durable in one piece, numbered without a gap, bounded by a stated rule."""

from __future__ import annotations

import datetime as dt
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inkling_device.clock import ManualClock
from inkling_device.database import ReadOnlyDatabase, StateDatabase
from inkling_device.errors import StateBusyError, StateError
from inkling_device.ledger import Ledger, Outcome
from inkling_device.observation import InterestEvent, Source
from inkling_device.outbox import EVENT_BYTES, Batch, Outbox
from inkling_device.privacy.guard import Objection
from inkling_device.wire import push_request

TODAY = dt.date(2026, 3, 10)
NOON = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)


def event(topic: int, *, day: dt.date = TODAY, source: Source = Source.VOICE) -> InterestEvent:
    return InterestEvent(topic, source, day, 80)


class Box:
    """An outbox with its ledger, over a directory."""

    def __init__(self, directory: Path, *, maximum_events: int = 10_000, maximum_days: int = 90) -> None:
        self.clock = ManualClock(NOON)
        self.directory = directory
        self.maximum = maximum_events, maximum_days
        self.open()

    def open(self) -> None:
        self.database = StateDatabase.open(self.directory, self.clock)
        events, days = self.maximum
        self.outbox = Outbox(self.database, self.clock, maximum_bytes=events * EVENT_BYTES, maximum_days=days)
        self.ledger = Ledger(self.database, self.clock)

    def restart(self) -> None:
        self.database.close()
        self.open()

    def outcomes(self) -> list[tuple[int, str]]:
        return [(entry.event.topic, entry.outcome.value) for entry in self.ledger.entries()]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    box = Box(tmp_path / "state")
    box.outbox.renumber(0)
    yield box
    box.database.close()


def next_batch(box: Box, maximum_events: int = 256) -> Batch:
    batch = box.outbox.next_batch(maximum_events)
    assert batch is not None
    return batch


def test_events_go_in_the_order_of_recording_under_numbers_without_a_gap(box: Box) -> None:
    box.outbox.append([event(topic) for topic in (1, 2, 3)])
    box.outbox.append([event(4), event(5)])
    batches = []
    while batch := box.outbox.next_batch(2):
        batches.append(batch)
        box.outbox.acknowledge(batch.sequence, {})
    assert [batch.sequence for batch in batches] == [1, 2, 3]
    assert [event.topic for batch in batches for event in batch.events] == [1, 2, 3, 4, 5]


def test_a_batch_is_the_same_to_the_byte_however_often_and_after_whatever_it_is_sent(box: Box) -> None:
    box.outbox.append([event(1, day=TODAY - dt.timedelta(days=3)), event(2)])
    first = push_request(next_batch(box)).SerializeToString()
    box.outbox.append([event(3)])
    box.clock.advance(86_400 * 2)
    box.restart()
    assert push_request(next_batch(box)).SerializeToString() == first


def test_nothing_to_send_is_no_batch(box: Box) -> None:
    assert box.outbox.next_batch() is None
    box.outbox.append([])
    assert box.outbox.next_batch() is None


def test_a_new_outbox_sends_nothing_before_it_knows_the_number(tmp_path: Path) -> None:
    """Sequence 1 would be taken for a repetition by a server that holds 57 batches, and its events would be lost."""
    box = Box(tmp_path / "state")
    box.outbox.append([event(1)])
    assert not box.outbox.aligned
    assert box.outbox.next_batch() is None
    box.outbox.renumber(57)
    assert box.outbox.aligned
    assert next_batch(box).sequence == 58
    box.database.close()


def test_acknowledging_an_earlier_batch_changes_nothing(box: Box) -> None:
    box.outbox.append([event(1)])
    batch = next_batch(box)
    box.outbox.acknowledge(batch.sequence - 1, {})
    assert next_batch(box) == batch


def test_what_the_server_refused_singly_is_not_sent_again_and_the_ledger_says_why(box: Box) -> None:
    box.outbox.append([event(topic) for topic in (1, 2, 3)])
    box.outbox.acknowledge(next_batch(box).sequence, {1: "TOPIC", 99: "FUTURE"})
    assert box.outbox.next_batch() is None
    assert box.outcomes() == [(1, "taken"), (2, "refused"), (3, "taken")]
    assert [entry.reason for entry in box.ledger.entries()] == [None, "TOPIC", None]
    assert box.ledger.totals().refused == 1


def test_a_batch_set_aside_is_replaced_by_an_empty_one_under_its_number(box: Box) -> None:
    box.outbox.append([event(1), event(2)])
    batch = next_batch(box)
    box.outbox.append([event(3)])
    box.outbox.set_aside(batch.sequence, "MALFORMED_BATCH")
    box.restart()
    assert next_batch(box) == Batch(batch.sequence, [])
    box.outbox.acknowledge(batch.sequence, {})
    assert [event.topic for event in next_batch(box).events] == [3]
    assert box.ledger.totals().set_aside == 2
    assert box.ledger.entries()[0].reason == "MALFORMED_BATCH"


def test_setting_another_batch_aside_leaves_this_one(box: Box) -> None:
    box.outbox.append([event(1)])
    batch = next_batch(box)
    box.outbox.set_aside(batch.sequence + 1, "MALFORMED_BATCH")
    assert next_batch(box) == batch


def test_a_server_that_forgot_gets_the_batch_under_the_number_after_its_last(box: Box) -> None:
    box.outbox.renumber(9)
    box.outbox.append([event(1)])
    assert next_batch(box).sequence == 10
    box.outbox.renumber(4)
    batch = next_batch(box)
    assert (batch.sequence, [event.topic for event in batch.events]) == (5, [1])
    assert box.ledger.entries()[0].sequence == 5
    box.outbox.acknowledge(5, {})
    box.outbox.append([event(2)])
    assert next_batch(box).sequence == 6


def test_a_batch_that_the_server_turns_out_to_hold_is_not_sent_again(box: Box) -> None:
    box.outbox.append([event(1)])
    batch = next_batch(box)
    box.outbox.renumber(batch.sequence)
    assert box.outbox.next_batch() is None
    assert box.outcomes() == [(1, "taken")]


def test_the_oldest_give_way_but_never_the_batch_on_its_way(tmp_path: Path) -> None:
    box = Box(tmp_path / "state", maximum_events=6)
    box.outbox.renumber(0)
    box.outbox.append([event(topic) for topic in (1, 2)])
    on_its_way = next_batch(box)
    box.outbox.append([event(topic) for topic in (3, 4, 5, 6)])
    box.outbox.append([event(topic) for topic in (7, 8, 9)])
    assert next_batch(box) == on_its_way
    box.outbox.acknowledge(on_its_way.sequence, {})
    assert [event.topic for event in next_batch(box).events] == [6, 7, 8, 9]
    assert box.ledger.totals().gave_way == 3
    assert [entry.event.topic for entry in box.ledger.entries() if entry.outcome is Outcome.GAVE_WAY] == [3, 4, 5]
    box.database.close()


def test_the_file_stays_within_its_bounds_while_nothing_can_be_sent(tmp_path: Path) -> None:
    """Queue and ledger have room for so many events each; the log beside the file is under a megabyte."""
    box = Box(tmp_path / "state", maximum_events=500)
    for start in range(0, 10_000, 100):
        box.outbox.append([event(start + more) for more in range(100)])
    assert box.ledger.totals().unsent == 500
    assert box.ledger.totals().gave_way == 9_500
    assert len(box.ledger.entries()) == 1_000
    size = sum(path.stat().st_size for path in box.directory.iterdir())
    assert size < 2 * 500 * EVENT_BYTES + 2_000_000
    box.database.close()


def test_an_event_takes_no_more_room_than_the_bound_counts(tmp_path: Path) -> None:
    box = Box(tmp_path / "state", maximum_events=20_000)
    box.outbox.renumber(1_000_000)
    box.outbox.append([event(1_000 + number % 500) for number in range(10_000)])
    box.outbox.next_batch(10_000)
    box.database.close()
    assert (box.directory / "outbox.sqlite").stat().st_size <= 10_000 * EVENT_BYTES


def test_what_could_not_be_sent_in_time_is_dropped_and_counted(box: Box) -> None:
    box.outbox.append([event(1, day=TODAY - dt.timedelta(days=91)), event(2, day=TODAY - dt.timedelta(days=90))])
    assert [event.topic for event in next_batch(box).events] == [2]
    assert box.ledger.totals().too_old == 1
    assert box.outcomes() == [(1, "too_old"), (2, "sending")]


def test_a_clock_that_runs_ahead_for_a_while_loses_nothing(box: Box) -> None:
    """Its days become the day of sending, by the clock that the server has set right."""
    box.clock.jump(dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
    box.outbox.append([event(1, day=dt.date(2099, 1, 1)), event(2, day=TODAY)])
    box.clock.learn(NOON)
    assert [(event.topic, event.day) for event in next_batch(box).events] == [(1, TODAY), (2, TODAY)]
    assert box.ledger.totals().too_old == 0


def test_a_clock_that_jumps_while_offline_throws_nothing_away(box: Box) -> None:
    box.outbox.append([event(1)])
    box.clock.jump(dt.datetime(2031, 1, 1, tzinfo=dt.UTC))
    box.outbox.append([event(2, day=dt.date(2031, 1, 1))])
    box.clock.learn(NOON)
    assert [event.topic for event in next_batch(box).events] == [1, 2]


def test_only_one_process_holds_the_outbox(box: Box) -> None:
    with pytest.raises(StateBusyError, match="another inkling-device is using"):
        StateDatabase.open(box.directory, box.clock)
    box.restart()


def test_nobody_else_may_read_what_is_kept(box: Box) -> None:
    box.outbox.append([event(1)])
    assert stat.S_IMODE(box.directory.stat().st_mode) == 0o700
    files = [path for path in box.directory.iterdir() if path.is_file()]
    assert {path.name for path in files} >= {"outbox.sqlite", "outbox.sqlite-wal"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_events_of_one_account_never_go_to_the_next(box: Box) -> None:
    box.outbox.bind("first")
    box.outbox.append([event(1)])
    box.outbox.bind("first")
    assert box.ledger.totals().unsent == 1
    box.outbox.bind("second")
    assert box.ledger.entries() == []
    assert not box.outbox.aligned


def test_what_is_recorded_after_a_log_out_goes_to_no_account(box: Box) -> None:
    """A stage may still be at work on a sample when the queue is wiped."""
    box.outbox.bind("first")
    box.outbox.wipe()
    box.outbox.append([event(672)])
    box.outbox.bind("second")
    assert box.outcomes() == []


def test_wiping_leaves_no_byte_of_what_was_recorded(box: Box) -> None:
    """Damaged files that were set aside go as well: they hold events of the account."""
    (box.directory / "outbox.sqlite.damaged-20260101T000000Z").write_bytes(b"old events")
    box.ledger.count_drop(Objection("lexicon", "a telling category"))
    box.outbox.append([event(1)])
    box.outbox.wipe()
    assert box.ledger.entries() == []
    assert box.ledger.drops() == []
    kept = b"".join(path.read_bytes() for path in box.directory.iterdir())
    assert b"telling" not in kept
    assert b"old events" not in kept


def test_appending_tells_who_listens(box: Box) -> None:
    told: list[str] = []
    box.outbox.on_append(lambda: told.append("appended"))
    box.outbox.append([event(1), event(2)])
    assert told == ["appended"]


def test_the_ledger_can_be_read_beside_a_running_agent(box: Box) -> None:
    box.outbox.append([event(7)])
    beside = Ledger(ReadOnlyDatabase(box.directory), box.clock)
    assert [entry.event for entry in beside.entries()] == [event(7)]
    assert beside.totals().unsent == 1
    beside.count_drop(Objection("lexicon", "health"))
    assert beside.drops() == []


def test_reading_a_ledger_that_does_not_exist_says_so(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="nothing has been recorded yet"):
        Ledger(ReadOnlyDatabase(tmp_path), ManualClock(NOON)).entries()


def test_the_ledger_counts_drops_by_day_rule_and_category(box: Box) -> None:
    for _ in range(3):
        box.ledger.count_drop(Objection("lexicon", "health"))
    box.ledger.count_drop(Objection("low_confidence"))
    box.clock.advance(86_400)
    box.ledger.count_drop(Objection("lexicon", "health"))
    drops = [(drop.day, drop.rule, drop.category, drop.count) for drop in box.ledger.drops()]
    tomorrow = TODAY + dt.timedelta(days=1)
    assert drops == [
        (TODAY, "lexicon", "health", 3),
        (TODAY, "low_confidence", None, 1),
        (tomorrow, "lexicon", "health", 1),
    ]
    assert [drop.count for drop in box.ledger.drops(since=tomorrow)] == [1]


def test_released_topics_are_those_of_the_day_whatever_became_of_them(box: Box) -> None:
    box.outbox.append([event(1), event(2), event(3, day=TODAY - dt.timedelta(days=1))])
    box.outbox.acknowledge(next_batch(box).sequence, {0: "TOPIC"})
    box.outbox.append([event(4)])
    assert box.ledger.released_topics(TODAY) == {1, 2, 4}


def test_the_ledger_forgets_after_90_days_but_keeps_what_waits(box: Box) -> None:
    box.outbox.append([event(1)])
    box.ledger.count_drop(Objection("lexicon", "health"))
    box.outbox.acknowledge(next_batch(box).sequence, {})
    box.clock.advance(86_400 * 90)
    box.outbox.append([event(2, day=box.clock.now().date())])
    box.outbox.acknowledge(next_batch(box).sequence, {})
    assert [topic for topic, _ in box.outcomes()] == [1, 2]
    box.clock.advance(86_400)
    box.outbox.append([event(3, day=TODAY + dt.timedelta(days=2))])
    box.outbox.acknowledge(next_batch(box).sequence, {})
    assert [topic for topic, _ in box.outcomes()] == [2, 3]
    assert box.ledger.drops() == []


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 5)),
        st.tuples(st.just("push"), st.sampled_from(["answered", "lost", "malformed"])),
        st.tuples(st.just("restart"), st.none()),
        st.tuples(st.just("restore"), st.integers(0, 3)),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_every_event_reaches_a_server_of_the_contract_once_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int | str | None]]
) -> None:
    """But those in batches that a server forgot after it had acknowledged them, or refused as a whole."""
    box = Box(tmp_path_factory.mktemp("outbox") / "state")
    box.outbox.renumber(0)
    held: list[list[int]] = []
    forgotten: set[int] = set()
    count = 0
    for step, argument in [*steps, *[("push", "answered")] * 60]:
        if step == "append":
            assert isinstance(argument, int)
            box.outbox.append([event(count + more) for more in range(argument)])
            count += argument
        elif step == "restart":
            box.restart()
        elif step == "restore":
            assert isinstance(argument, int)
            cut = max(len(held) - argument, 0)
            forgotten |= {topic for batch in held[cut:] for topic in batch}
            del held[cut:]
        elif batch := box.outbox.next_batch(3):
            topics = [event.topic for event in batch.events]
            if batch.sequence > len(held) + 1:
                box.outbox.renumber(len(held))
                continue
            if argument == "malformed" and topics and batch.sequence == len(held) + 1:
                box.outbox.set_aside(batch.sequence, "MALFORMED_BATCH")
                forgotten |= set(topics)
                continue
            if batch.sequence == len(held) + 1:
                held.append(topics)
            if argument != "lost":
                box.outbox.acknowledge(len(held), {})
    box.database.close()
    merged = [topic for batch in held for topic in batch]
    assert len(merged) == len(set(merged))
    assert set(merged) | forgotten == set(range(count))
