"""What the wearer can read of what the agent did: every event with its fate, and how much was dropped, by rule and day.

The counts never leave the device: how often something sensitive was dropped tells as much as the thing itself.
"""

from __future__ import annotations

import datetime as dt
import enum
import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from inkling_device.clock import Clock
from inkling_device.database import Database, fact
from inkling_device.errors import StateError
from inkling_device.observation import InterestEvent, Source
from inkling_device.privacy.guard import Objection

log = logging.getLogger(__name__)

RETENTION = dt.timedelta(days=90)
"""How long the ledger keeps what is done with."""


class Outcome(enum.StrEnum):
    """What became of an event."""

    WAITING = "waiting"
    """Recorded, and not yet sent."""
    SENDING = "sending"
    """In the batch that is on its way."""
    TAKEN = "taken"
    """The server has it."""
    REFUSED = "refused"
    """The server did not take it; the reason says why."""
    SET_ASIDE = "set_aside"
    """The server did not take its whole batch; the reason says why."""
    GAVE_WAY = "gave_way"
    """Never sent: the outbox was full, and it was the oldest."""
    TOO_OLD = "too_old"
    """Never sent: it could not be sent in time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event with what became of it."""

    event: InterestEvent
    outcome: Outcome
    sequence: int | None
    """Number of the batch that it went with; None while it waits or if it never went."""
    sent: dt.datetime | None
    """When its batch was made up, in UTC."""
    reason: str | None
    """Why it was not taken, as a name of the contract."""


@dataclass(frozen=True, slots=True)
class DropCount:
    """How often a rule dropped something of a category on a day (UTC)."""

    day: dt.date
    rule: str
    category: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Where the events stand that the profile does not have, counted since the outbox was begun."""

    unsent: int
    """Waiting or on their way."""
    gave_way: int
    too_old: int
    refused: int
    set_aside: int


@dataclass(frozen=True, slots=True)
class SyncFailure:
    """Why the last attempt to send what waits did not succeed."""

    time: dt.datetime
    """In UTC."""
    reason: str


class Ledger:
    """Reads and counts. Over a `ReadOnlyDatabase` everything but `count_drop` works, also beside a running agent."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def entries(self, *, since: dt.date | None = None) -> Sequence[Entry]:
        """Events of `since` and later, or all, in the order of recording. Raises `StateError`."""
        first = day_number(since) if since else 0
        return self._database.run(lambda connection: [_entry(row) for row in connection.execute(_ENTRIES, (first,))])

    def drops(self, *, since: dt.date | None = None) -> Sequence[DropCount]:
        """The drop counts by day, rule and category. Raises `StateError`."""
        first = day_number(since) if since else 0
        return self._database.run(
            lambda connection: [
                DropCount(date_of(day), rule, category or None, count)
                for day, rule, category, count in connection.execute(_DROPS, (first,))
            ]
        )

    def totals(self) -> Totals:
        """How many events the server does not have yet, and how many it never will. Raises `StateError`."""
        return self._database.run(_totals)

    def sync_failure(self) -> SyncFailure | None:
        """What is wrong with the sync, None where the last attempt succeeded. Raises `StateError`."""
        return self._database.run(_sync_failure)

    def released_topics(self, day: dt.date) -> frozenset[int]:
        """The topics of all events of a day, whatever became of them. Raises `StateError`."""
        return self._database.run(
            lambda connection: frozenset(topic for (topic,) in connection.execute(_TOPICS_OF_DAY, (day_number(day),)))
        )

    def count_drop(self, objection: Objection) -> None:
        """Counts an objection on the current day. Never raises: a full disk costs the count, not the guard."""
        row = (day_number(self._clock.now().date()), objection.rule, objection.category or "")
        try:
            self._database.run(lambda connection: connection.execute(_COUNT_DROP, row))
        except StateError as error:
            log.warning("a drop could not be counted: %s", error)


def count_unsent(connection: sqlite3.Connection) -> int:
    """Number of events that wait or are on their way."""
    count: int = connection.execute(_UNSENT).fetchone()[0]
    return count


def forget_old(connection: sqlite3.Connection, today: dt.date, *, maximum_events: int) -> None:
    """Deletes what is past `RETENTION`, and of what is done with, the oldest beyond `maximum_events`."""
    oldest = day_number(today - RETENTION)
    connection.execute(_FORGET_EVENTS, (oldest,))
    connection.execute(_FORGET_DROPS, (oldest,))
    connection.execute(_FORGET_BEYOND, (maximum_events,))


def day_number(day: dt.date) -> int:
    """Days since 1970-01-01, as the database counts them."""
    return day.toordinal() - _EPOCH


def date_of(day: int) -> dt.date:
    """The date that is `day` days after 1970-01-01."""
    return dt.date.fromordinal(day + _EPOCH)


_EPOCH = dt.date(1970, 1, 1).toordinal()


def _totals(connection: sqlite3.Connection) -> Totals:
    given_up = {
        outcome.value: int(fact(connection, outcome) or 0)
        for outcome in (Outcome.GAVE_WAY, Outcome.TOO_OLD, Outcome.REFUSED, Outcome.SET_ASIDE)
    }
    return Totals(unsent=count_unsent(connection), **given_up)


def _sync_failure(connection: sqlite3.Connection) -> SyncFailure | None:
    reason, failed = fact(connection, "sync_failure"), fact(connection, "sync_failed")
    if reason is None or failed is None:
        return None
    return SyncFailure(dt.datetime.fromtimestamp(int(failed), dt.UTC), str(reason))


def _entry(row: tuple[int, int, int, int, str, int | None, int | None, str | None]) -> Entry:
    topic, source, day, percentage, outcome, sequence, sent, reason = row
    return Entry(
        InterestEvent(topic, Source(source), date_of(day), percentage),
        Outcome(outcome),
        sequence,
        None if sent is None else dt.datetime.fromtimestamp(sent, dt.UTC),
        reason,
    )


_ENTRIES = """
SELECT topic, source, day, percentage, outcome, sequence, sent, reason FROM event WHERE day >= ? ORDER BY id
"""
_UNSENT = "SELECT count(*) FROM event WHERE outcome IN ('waiting', 'sending')"
_DROPS = "SELECT day, rule, category, count FROM dropped WHERE day >= ? ORDER BY day, rule, category"
_TOPICS_OF_DAY = "SELECT DISTINCT topic FROM event WHERE day = ?"
_COUNT_DROP = """
INSERT INTO dropped (day, rule, category, count) VALUES (?, ?, ?, 1)
ON CONFLICT (day, rule, category) DO UPDATE SET count = count + 1
"""
# Events that wait or are on their way are the outbox's to drop, never the ledger's.
_FORGET_EVENTS = "DELETE FROM event WHERE day < ? AND outcome NOT IN ('waiting', 'sending')"
_FORGET_DROPS = "DELETE FROM dropped WHERE day < ?"
_FORGET_BEYOND = """
DELETE FROM event WHERE id IN (
    SELECT id FROM event WHERE outcome NOT IN ('waiting', 'sending') ORDER BY id DESC LIMIT -1 OFFSET ?
)
"""
