"""`inkling-server` as an operator runs it: a process, its files, its signals."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inkling_emulator.wearer import Login, Wearer
from inkling_server.days import utc_now
from inkling_server.policy_book import PolicyBook

COMMAND = [sys.executable, "-m", "inkling_server.cli"]
PASSWORD = "seven grey herons waiting"


def run(directory: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """One command over a data directory."""
    environment = {**os.environ, "INKLING_DATA_DIR": str(directory)}
    return subprocess.run(
        [*COMMAND, *arguments], input=stdin, env=environment, capture_output=True, text=True, timeout=60
    )


def ran(directory: Path, *arguments: str, stdin: str = "") -> str:
    """What a command printed, which must have succeeded."""
    done = run(directory, *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refused(directory: Path, *arguments: str, stdin: str = "") -> str:
    """What a command complained of: its last line, no traceback, exit status 1."""
    done = run(directory, *arguments, stdin=stdin)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    complaint = done.stderr.splitlines()[-1]
    assert complaint.startswith("inkling-server: ")
    return complaint


@contextmanager
def serving(directory: Path, *flags: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A server process on free ports, and where it answers; stopped by SIGTERM at the end if it still runs."""
    ports = directory.with_suffix(".ports")
    ports.unlink(missing_ok=True)
    addresses = ("--grpc-address", "127.0.0.1:0", "--web-address", "127.0.0.1:0", "--ports-file", str(ports))
    environment = {**os.environ, "INKLING_DATA_DIR": str(directory)}
    server = subprocess.Popen(
        [*COMMAND, "serve", *addresses, *flags],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while not ports.exists():
            assert server.poll() is None, server.communicate()
            time.sleep(0.05)
        yield server, json.loads(ports.read_text())
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)


def test_serves_until_told_to_stop(tmp_path: Path) -> None:
    """One line with the addresses, healthy while it runs, exit status 0 on SIGTERM, not healthy afterwards."""
    with serving(tmp_path / "data") as (server, addresses):
        assert ran(tmp_path, "health", "--grpc-address", addresses["grpc"]) == "serving"
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=30)
    assert server.returncode == 0
    assert out.splitlines() == [f"inkling-server: gRPC on {addresses['grpc']}, pages on {addresses['web']}"]
    assert "Traceback" not in err
    assert "UNAVAILABLE" in refused(tmp_path, "health", "--grpc-address", addresses["grpc"])


def test_accounts_are_added_listed_and_erased_beside_a_running_server(tmp_path: Path) -> None:
    """What the command line does holds for the server, too: they share the files."""
    data = tmp_path / "data"
    with serving(data):
        added = ran(data, "account", "add", "ada@example.org", "--region", "US", "--birth-year", "1990", stdin=PASSWORD)
        assert ran(data, "account", "list").split("\t") == [added, "US", "1990", "ada@example.org"]
        ran(data, "account", "erase", added)
        assert ran(data, "account", "list") == ""
        assert added in refused(data, "account", "erase", added)


def test_what_a_server_does_beside_commands_survives_its_end(tmp_path: Path) -> None:
    """An account that signs up at the page between two commands is listed, also after the server was killed."""

    async def sign_up(address: str) -> None:
        async with Wearer(address, Login("ada@example.org", PASSWORD)) as ada:
            await ada.sign_up(home_region="US", birth_year=1990)

    data = tmp_path / "data"
    with serving(data) as (server, addresses):
        assert ran(data, "account", "list") == ""
        asyncio.run(sign_up(addresses["web"]))
        assert "ada@example.org" in ran(data, "account", "list")
        server.kill()
    assert "ada@example.org" in ran(data, "account", "list")


def test_an_account_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """The message says what is wrong, and never shows the password."""
    arguments = ("account", "add", "ada@example.org", "--region", "Nowhere", "--birth-year", "1990")
    assert PASSWORD not in refused(tmp_path, *arguments, stdin=PASSWORD)
    assert ran(tmp_path, "account", "list") == ""


def test_readers_are_added_listed_and_removed(tmp_path: Path) -> None:
    """A key is shown once, a name is taken once."""
    key = ran(tmp_path, "reader", "add", "ranking")
    assert len(key) >= 32
    assert "ranking" in refused(tmp_path, "reader", "add", "ranking")
    listing = ran(tmp_path, "reader", "list")
    assert listing.startswith("ranking\t")
    assert key not in listing
    ran(tmp_path, "reader", "remove", "ranking")
    assert ran(tmp_path, "reader", "list") == ""
    assert "ranking" in refused(tmp_path, "reader", "remove", "ranking")


def test_policies_are_signed_and_shown(tmp_path: Path) -> None:
    """A key first, then versions that only grow; rules that make no sense change nothing."""
    data = tmp_path / "data"
    assert "policy sign" in refused(data, "policy", "show")
    ran(data, "policy", "keygen")
    assert "already" in refused(data, "policy", "keygen")
    rules = tmp_path / "rules.toml"
    rules.write_text("half_life_days = 30")
    ran(data, "policy", "sign", str(rules))
    first = json.loads(ran(data, "policy", "show"))
    assert first["half_life_days"] == 30
    ran(data, "policy", "sign")
    second = json.loads(ran(data, "policy", "show"))
    assert (second["half_life_days"], second["version"]) == (30, first["version"] + 1)
    rules.write_text("half_life_days = 0")
    assert "half_life_days" in refused(data, "policy", "sign", str(rules))
    assert json.loads(ran(data, "policy", "show")) == second


def test_showing_a_policy_that_is_due_does_not_sign_it(tmp_path: Path) -> None:
    """Whoever looks may be root, and what root writes the server cannot read: the file stays as it is."""
    PolicyBook.open(tmp_path, utc_now() - dt.timedelta(days=20))
    held = (tmp_path / "policy.signed").read_bytes()
    assert json.loads(ran(tmp_path, "policy", "show"))["version"] == 1
    assert (tmp_path / "policy.signed").read_bytes() == held


def test_backup_of_a_running_server_starts_again(tmp_path: Path) -> None:
    """The copies, with the keys put beside them, make a server with the same accounts and policy.

    Keys that are secret are not copied.
    """
    data, copies, rules = tmp_path / "data", tmp_path / "copies", tmp_path / "rules.toml"
    rules.write_text("half_life_days = 30")
    with serving(data):
        ran(data, "account", "add", "ada@example.org", "--region", "US", "--birth-year", "1990", stdin=PASSWORD)
        ran(data, "policy", "sign", str(rules))
        assert "master.key" in ran(data, "backup", str(copies))
        assert {file.name for file in copies.iterdir()} == {"profiles.db", "accounts.db", "policy.signed", "policy.pub"}
        assert "exists already" in refused(data, "backup", str(copies))
    assert "master.key is missing" in refused(copies, "serve")
    (copies / "master.key").write_bytes((data / "master.key").read_bytes())
    (copies / "master.key").chmod(0o600)
    with serving(copies):
        assert "ada@example.org" in ran(copies, "account", "list")
        assert ran(copies, "policy", "show") == ran(data, "policy", "show")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--store", "postgres://host"), "sqlite:///PATH"),
        (("--grpc-address", "nonsense"), "HOST:PORT"),
        (("--tls-key", "key.pem"), "tls_certificate"),
        (("--tls-key", "none.pem", "--tls-certificate", "none.pem"), "none.pem"),
        (("--push-burst", "0"), "push_burst"),
    ],
)
def test_wrong_settings_are_told_at_start(tmp_path: Path, flags: tuple[str, ...], message: str) -> None:
    """One line that says what to put right."""
    free = ("--grpc-address", "127.0.0.1:0", "--web-address", "127.0.0.1:0")
    assert message in refused(tmp_path, "serve", *free, *flags)


def test_ports_in_use_are_told(tmp_path: Path) -> None:
    """Either port, each by the flag that changes it."""
    with serving(tmp_path / "a") as (_, addresses):
        web = addresses["web"].removeprefix("http://")
        free = "127.0.0.1:0"
        taken = refused(tmp_path / "b", "serve", "--grpc-address", addresses["grpc"], "--web-address", free)
        assert "--grpc-address" in taken
        assert "--web-address" in refused(tmp_path / "b", "serve", "--grpc-address", free, "--web-address", web)


def test_a_data_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    """A file in its place."""
    (tmp_path / "file").write_text("")
    assert "file" in refused(tmp_path / "file" / "data", "serve")
