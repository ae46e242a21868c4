"""The durable queue between the guard and the server.

Events wait in the order of recording. The oldest of them become a batch when it is first sent: from then on its number
and contents stand, so that sending it again sends the same bytes, and the server counts it once. There is one such
batch at a time.

What gives way: the outbox has room for `maximum_bytes`; when it is used up, the oldest events that wait give way to new
ones, never those of the batch on its way. Events that could not be sent for `maximum_days` are dropped when the next
batch is made up; not before, because only then the server has just told the time, and a clock that jumps throws nothing
away. Both are counted and stay visible in the ledger.
"""

from __future__ import annotations

import datetime as dt
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from inkling_device.clock import Clock
from inkling_device.database import StateDatabase, fact, forget_fact, set_fact
from inkling_device.ledger import Outcome, count_unsent, date_of, day_number, forget_old
from inkling_device.observation import InterestEvent, Source

log = logging.getLogger(__name__)

EVENT_BYTES = 80
"""Room that an event takes in the file at most, its places in the indexes among them: 68 bytes with 10,000 events."""

DEFAULT_BATCH_EVENTS = 256

_NOBODY = ""
"""In place of a pairing, from the log-out to the next log-in."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes to the server under one number."""

    sequence: int
    events: Sequence[InterestEvent] = field(repr=False)
    """In the order of recording; empty in place of a batch that the server refused."""


class Outbox:
    """Appends, hands out one batch at a time, and forgets what the server has. For any thread.

    A new outbox (the first, or one begun after damage) does not know which number comes next, and hands out no batch
    until `renumber` has told it what the server holds: a number the server has seen would be taken for a repetition.

    Every method raises `StateFullError` where the disk is full and `StateError` where it fails; nothing has changed
    then.
    """

    def __init__(self, database: StateDatabase, clock: Clock, *, maximum_bytes: int, maximum_days: int) -> None:
        self._database = database
        self._clock = clock
        self._maximum_events = maximum_bytes // EVENT_BYTES
        self._maximum_age = dt.timedelta(days=maximum_days)
        self._on_append: Callable[[], None] = lambda: None

    def append(self, events: Sequence[InterestEvent]) -> None:
        """Records events, all of them or, where this raises, none."""
        if not events:
            return
        gave_way = self._database.run(lambda connection: self._append(connection, events))
        if gave_way:
            log.warning("outbox full: the %d oldest events gave way", gave_way)
        self._on_append()

    def on_append(self, callback: Callable[[], None]) -> None:
        """Has `callback` called after every append, in the thread that appends."""
        self._on_append = callback

    def next_batch(self, maximum_events: int = DEFAULT_BATCH_EVENTS) -> Batch | None:
        """The batch that was handed out last and is not done with, or else a new one of the oldest events, or None.

        None as well while `aligned` is false.
        """
        return self._database.run(lambda connection: self._next_batch(connection, maximum_events))

    def acknowledge(self, last_sequence: int, rejections: Mapping[int, str]) -> None:
        """The server holds everything up to `last_sequence`; `rejections` gives the reason for each event of the
        batch, by its place, that it did not take."""
        self._database.run(lambda connection: self._acknowledge(connection, last_sequence, rejections))

    def set_aside(self, sequence: int, reason: str) -> None:
        """Gives up the events of a batch, which stay in the ledger; its number stays, too, with nothing in it."""
        self._database.run(lambda connection: _set_aside(connection, sequence, reason))
        log.error("batch %d set aside, because the server refused it: %s", sequence, reason)

    def renumber(self, last_sequence: int) -> None:
        """Goes on from what the server says it holds: what is not sent is numbered from there.

        A batch on its way whose number the server holds counts as merged.
        """
        self._database.run(lambda connection: self._renumber(connection, last_sequence))

    def bind(self, pairing: str) -> None:
        """Says whose events these are. Those of another pairing are wiped: they never go to another account."""
        bound = self._database.run(lambda connection: fact(connection, "pairing"))
        if bound == pairing:
            return
        if bound is not None:
            log.info("the glasses have been paired anew: what was recorded before is wiped")
            self._database.wipe()
        self._database.run(lambda connection: set_fact(connection, "pairing", pairing))

    def note_sync(self, failure: str | None) -> None:
        """Remembers for the ledger why the attempt to send just now failed, or that it did not."""
        now = int(self._clock.now().timestamp())
        self._database.run(lambda connection: _note_sync(connection, failure, now))

    def wipe(self) -> None:
        """Removes queue and ledger. What a stage still appends then is nobody's, and goes with the next `bind`."""
        self._database.wipe()
        self._database.run(lambda connection: set_fact(connection, "pairing", _NOBODY))

    @property
    def aligned(self) -> bool:
        """Whether it is known which number comes next."""
        return self._database.run(lambda connection: fact(connection, "acknowledged") is not None)

    def _append(self, connection: sqlite3.Connection, events: Sequence[InterestEvent]) -> int:
        connection.executemany(
            _INSERT, [(event.topic, int(event.source), day_number(event.day), event.percentage) for event in events]
        )
        excess = count_unsent(connection) - self._maximum_events
        if excess <= 0:
            return 0
        gave_way = connection.execute(_GIVE_WAY, (excess,)).rowcount
        _count(connection, Outcome.GAVE_WAY, gave_way)
        forget_old(connection, _LONG_AGO, maximum_events=self._maximum_events)
        return gave_way

    def _next_batch(self, connection: sqlite3.Connection, maximum_events: int) -> Batch | None:
        acknowledged = fact(connection, "acknowledged")
        if acknowledged is None:
            return None
        if (frozen := fact(connection, "frozen")) is None:
            frozen = int(acknowledged) + 1
            if not self._freeze(connection, frozen, maximum_events):
                return None
        rows = connection.execute(_SENDING)
        return Batch(
            int(frozen),
            [InterestEvent(topic, Source(source), date_of(day), percentage) for topic, source, day, percentage in rows],
        )

    def _freeze(self, connection: sqlite3.Connection, sequence: int, maximum_events: int) -> bool:
        now = self._clock.now()
        today = day_number(now.date())
        expired = connection.execute(_EXPIRE, (today - self._maximum_age.days,)).rowcount
        if expired:
            _count(connection, Outcome.TOO_OLD, expired)
            log.warning("%d events could not be sent in time and were dropped", expired)
        # Nothing was recorded after the day on which it is sent: such a day was a clock that ran ahead.
        values = {"sequence": sequence, "sent": int(now.timestamp()), "today": today, "limit": maximum_events}
        if not connection.execute(_FREEZE, values).rowcount:
            return False
        set_fact(connection, "frozen", sequence)
        return True

    def _acknowledge(self, connection: sqlite3.Connection, last_sequence: int, rejections: Mapping[int, str]) -> None:
        frozen = fact(connection, "frozen")
        if frozen is None or int(frozen) > last_sequence:
            return
        self._finish(connection, rejections)
        set_fact(connection, "acknowledged", last_sequence)

    def _renumber(self, connection: sqlite3.Connection, last_sequence: int) -> None:
        frozen = fact(connection, "frozen")
        if frozen is not None and int(frozen) <= last_sequence:
            self._finish(connection, {})
        elif frozen is not None:
            connection.execute(_RENUMBER, (last_sequence + 1,))
            set_fact(connection, "frozen", last_sequence + 1)
        acknowledged = fact(connection, "acknowledged")
        if acknowledged != last_sequence:
            set_fact(connection, "acknowledged", last_sequence)

    def _finish(self, connection: sqlite3.Connection, rejections: Mapping[int, str]) -> None:
        """The batch on its way is done with."""
        ids = [row[0] for row in connection.execute(_SENDING_IDS)]
        refused = [(reason, ids[place]) for place, reason in rejections.items() if place < len(ids)]
        connection.executemany(_REFUSE, refused)
        connection.execute(_TAKE)
        forget_fact(connection, "frozen")
        _count(connection, Outcome.REFUSED, len(refused))
        forget_old(connection, self._clock.now().date(), maximum_events=self._maximum_events)


def _note_sync(connection: sqlite3.Connection, failure: str | None, now: int) -> None:
    if failure is None:
        forget_fact(connection, "sync_failure")
    else:
        set_fact(connection, "sync_failure", failure)
        set_fact(connection, "sync_failed", now)


def _set_aside(connection: sqlite3.Connection, sequence: int, reason: str) -> None:
    if fact(connection, "frozen") == sequence:
        given_up = connection.execute(_SET_ASIDE, (reason,)).rowcount
        _count(connection, Outcome.SET_ASIDE, given_up)


def _count(connection: sqlite3.Connection, outcome: Outcome, more: int) -> None:
    if more:
        set_fact(connection, outcome, int(fact(connection, outcome) or 0) + more)


_LONG_AGO = dt.date(1971, 1, 1)
"""Stands for "forget by number only": while nothing can be sent, the clock may be wrong."""

_INSERT = "INSERT INTO event (topic, source, day, percentage) VALUES (?, ?, ?, ?)"
_GIVE_WAY = """
UPDATE event SET outcome = 'gave_way'
WHERE id IN (SELECT id FROM event WHERE outcome = 'waiting' ORDER BY id LIMIT ?)
"""
_EXPIRE = "UPDATE event SET outcome = 'too_old' WHERE outcome = 'waiting' AND day < ?"
_FREEZE = """
UPDATE event SET outcome = 'sending', sequence = :sequence, sent = :sent, day = min(day, :today)
WHERE id IN (SELECT id FROM event WHERE outcome = 'waiting' ORDER BY id LIMIT :limit)
"""
_SENDING = "SELECT topic, source, day, percentage FROM event WHERE outcome = 'sending' ORDER BY id"
_SENDING_IDS = "SELECT id FROM event WHERE outcome = 'sending' ORDER BY id"
_REFUSE = "UPDATE event SET outcome = 'refused', reason = ? WHERE id = ?"
_TAKE = "UPDATE event SET outcome = 'taken' WHERE outcome = 'sending'"
_SET_ASIDE = "UPDATE event SET outcome = 'set_aside', reason = ? WHERE outcome = 'sending'"
_RENUMBER = "UPDATE event SET sequence = ? WHERE outcome = 'sending'"
