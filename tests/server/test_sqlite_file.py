"""SQLite files in use by a server and, at the same time, by an operator's command."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

from inkling_server.stores.sqlite_file import connect

LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
print(connection.execute("SELECT count(*) FROM things").fetchone()[0])
connection.close()
"""


def count_elsewhere(path: Path) -> int:
    """What another process finds, which then closes the file."""
    done = subprocess.run([sys.executable, "-c", LOOK, str(path)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_another_process_that_closes_the_file_leaves_the_log_in_place(tmp_path: Path) -> None:
    """However many connections this process has made: what it commits afterwards is in the files for all to see."""
    path = tmp_path / "things.db"
    first = connect(path)
    first.execute("CREATE TABLE things (name TEXT)")
    second = connect(path)
    for number in range(3):
        first.execute("INSERT INTO things VALUES ('thing')")
        assert count_elsewhere(path) == number + 1
        assert path.with_name("things.db-wal").exists()
    first.close()
    second.close()


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The log and the index of it, which SQLite makes, included."""
    connection = connect(tmp_path / "things.db")
    connection.execute("CREATE TABLE things (name TEXT)")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    connection.close()
    assert modes == {"things.db": 0o600, "things.db-wal": 0o600, "things.db-shm": 0o600}
