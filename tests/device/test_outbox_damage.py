"""The outbox on bad disks: full, torn, and in a process that is killed."""

from __future__ import annotations

import datetime as dt
import logging
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inkling_device.clock import ManualClock
from inkling_device.database import FILE_NAME, StateDatabase, connect
from inkling_device.errors import StateBusyError, StateError, StateFullError, StateTooNewError
from inkling_device.ledger import Ledger
from inkling_device.observation import InterestEvent, Source
from inkling_device.outbox import Outbox
from inkling_device.privacy.guard import Objection

NOON = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
CLOCK = ManualClock(NOON)


def event(topic: int) -> InterestEvent:
    return InterestEvent(topic, Source.TEXT, NOON.date(), 70)


def outbox_over(database: StateDatabase) -> Outbox:
    return Outbox(database, CLOCK, maximum_bytes=1 << 22, maximum_days=90)


def topics_kept(database: StateDatabase) -> list[int]:
    return [entry.event.topic for entry in Ledger(database, CLOCK).entries()]


def filled(directory: Path, count: int = 3_000) -> None:
    database = StateDatabase.open(directory, CLOCK)
    outbox = outbox_over(database)
    outbox.renumber(41)
    outbox.append([event(topic) for topic in range(count)])
    outbox.next_batch()
    database.close()


def test_a_full_disk_refuses_the_append_whole_and_the_outbox_goes_on_when_there_is_room(tmp_path: Path) -> None:
    connections: list[sqlite3.Connection] = []

    def small_disk(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA max_page_count = 24")
        connections.append(connection)
        return connection

    database = StateDatabase.open(tmp_path, CLOCK, connect=small_disk)
    outbox = outbox_over(database)
    outbox.renumber(0)
    outbox.append([event(1)])
    with pytest.raises(StateFullError, match="free some room"):
        outbox.append([event(topic) for topic in range(2, 5_000)])
    assert topics_kept(database) == [1]
    outbox.append([event(2)])
    connections[0].execute("PRAGMA max_page_count = 2000")
    outbox.append([event(topic) for topic in range(3, 5_000)])
    assert topics_kept(database) == list(range(1, 5_000))
    database.close()


def test_work_that_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    database = StateDatabase.open(tmp_path, CLOCK)

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO event (topic, source, day, percentage) VALUES (1, 1, 1, 1)")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.run(half)
    assert topics_kept(database) == []
    outbox_over(database).append([event(2)])
    assert topics_kept(database) == [2]
    database.close()


def test_a_full_disk_costs_the_guard_a_count_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`count_drop` is called by the guard, which must not fail; what it counts is told to no log."""

    def no_room(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.set_authorizer(
            lambda action, table, *_: sqlite3.SQLITE_DENY if table == "dropped" and action == 18 else sqlite3.SQLITE_OK
        )
        return connection

    database = StateDatabase.open(tmp_path, CLOCK, connect=no_room)
    Ledger(database, CLOCK).count_drop(Objection("lexicon", "health"))
    assert "could not be counted" in caplog.text
    assert "health" not in caplog.text
    database.close()


def truncated(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def torn_page(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096 : 4096 * 6] = random.Random(3).randbytes(4096 * 5)
    file.write_bytes(content)


def no_database(file: Path) -> None:
    file.write_bytes(b"this is no database" * 1_000)


def other_header(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[:100] = bytes(100)
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [truncated, torn_page, no_database, other_header])
def test_a_damaged_file_is_kept_aside_said_so_and_a_new_one_begun(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    filled(tmp_path)
    damage(tmp_path / FILE_NAME)
    damaged = (tmp_path / FILE_NAME).read_bytes()
    with caplog.at_level(logging.ERROR):
        database = StateDatabase.open(tmp_path, CLOCK)
    aside = tmp_path / f"{FILE_NAME}.damaged-20260310T120000Z"
    assert aside.read_bytes() == damaged
    assert "is damaged; it is kept as outbox.sqlite.damaged-20260310T120000Z" in caplog.text
    outbox = outbox_over(database)
    outbox.append([event(7)])
    assert topics_kept(database) == [7]
    assert not outbox.aligned, "the number to go on from is the server's to tell"
    database.close()


def test_a_second_damaged_file_does_not_replace_the_first(tmp_path: Path) -> None:
    for _ in range(2):
        filled(tmp_path)
        no_database(tmp_path / FILE_NAME)
        StateDatabase.open(tmp_path, CLOCK).close()
    assert len(list(tmp_path.glob("*.damaged-*"))) == 2


def test_a_file_that_is_torn_while_the_agent_runs_is_replaced_and_the_append_kept(tmp_path: Path) -> None:
    filled(tmp_path)

    def without_cache(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA cache_size = 1")
        return connection

    database = StateDatabase.open(tmp_path, CLOCK, connect=without_cache)
    torn_page(tmp_path / FILE_NAME)
    outbox = outbox_over(database)
    outbox.append([event(9)])
    assert topics_kept(database) == [9]
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1
    database.close()


def test_an_empty_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).touch()
    database = StateDatabase.open(tmp_path, CLOCK)
    outbox_over(database).append([event(1)])
    assert topics_kept(database) == [1]
    database.close()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    filled(tmp_path)
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StateTooNewError, match="newer inkling-device"):
        StateDatabase.open(tmp_path, CLOCK)
    assert list(tmp_path.glob("*.damaged-*")) == []
    with pytest.raises(StateTooNewError):
        StateDatabase.open(tmp_path, CLOCK)


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="cannot be made"):
        StateDatabase.open(tmp_path / "file" / "state", CLOCK)


def test_a_closed_database_says_so(tmp_path: Path) -> None:
    database = StateDatabase.open(tmp_path, CLOCK)
    database.close()
    database.close()
    with pytest.raises(StateError, match="has been closed"):
        outbox_over(database).append([event(1)])


_WRITER = """
import datetime as dt, sys
from pathlib import Path
from inkling_device.clock import ManualClock
from inkling_device.database import StateDatabase
from inkling_device.observation import InterestEvent, Source
from inkling_device.outbox import Outbox

clock = ManualClock(dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC))
database = StateDatabase.open(Path(sys.argv[1]), clock)
outbox = Outbox(database, clock, maximum_bytes=1 << 24, maximum_days=90)
if not outbox.aligned:
    outbox.renumber(0)
topic = int(sys.argv[2])
while True:
    outbox.append([InterestEvent(topic + more, Source.VOICE, dt.date(2026, 3, 10), 50) for more in range(3)])
    topic += 3
    print("appended", topic, flush=True)
    if topic % 4 == 0 and (batch := outbox.next_batch(5)):
        print("sending", batch.sequence, *(event.topic for event in batch.events), flush=True)
        if topic % 8 == 0:
            outbox.acknowledge(batch.sequence, {})
            print("acknowledged", batch.sequence, flush=True)
"""


def run_and_kill(directory: Path, first_topic: int, lines: int) -> list[list[str]]:
    """What the writer said before it was killed in the middle of whatever came after its first `lines` lines."""
    command = [sys.executable, "-c", _WRITER, str(directory), str(first_topic)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline().split() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
    return said + [line.split() for line in rest.splitlines(keepends=True) if line.endswith("\n")]


def test_a_killed_process_loses_nothing_it_has_said_and_sends_the_same_batch_again(tmp_path: Path) -> None:
    rng = random.Random(11)
    first_topic = 0
    for _ in range(5):
        said = run_and_kill(tmp_path, first_topic, rng.randrange(1, 60))
        database = StateDatabase.open(tmp_path, CLOCK)
        outbox = outbox_over(database)
        kept = topics_kept(database)
        appended = max(int(line[1]) for line in said if line[0] == "appended")
        assert kept == list(range(len(kept))), "whole appends only, in order"
        assert len(kept) % 3 == 0
        assert len(kept) in (appended, appended + 3)
        sending = {int(line[1]): [int(topic) for topic in line[2:]] for line in said if line[0] == "sending"}
        acknowledged = {int(line[1]) for line in said if line[0] == "acknowledged"}
        batch = outbox.next_batch(5)
        assert batch is not None
        if batch.sequence in sending:
            assert [event.topic for event in batch.events] == sending[batch.sequence]
        assert batch.sequence not in acknowledged
        assert batch.sequence == max({0, *sending} - {batch.sequence}) + 1 or not sending
        database.close()
        first_topic = len(kept)


def test_the_lock_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(StateBusyError):
            StateDatabase.open(tmp_path, CLOCK)
        writer.kill()
    StateDatabase.open(tmp_path, CLOCK).close()
