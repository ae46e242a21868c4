"""`inkling-device unpair` beside whatever holds the state directory: an agent at work, another `unpair`, one stuck."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from unittest.mock import create_autospec

import pytest

from inkling_device import cli
from inkling_device.clock import ManualClock, SystemClock
from inkling_device.credentials import FILE_NAME, Credentials, CredentialStore
from inkling_device.database import LOCK_NAME, StateDatabase, holder
from inkling_device.errors import StateError
from inkling_device.models.senses import Senses
from inkling_device.settings import Settings
from inkling_device.testing import FakeServer, Glasses


class Device:
    """A state directory, and the commands of `inkling-device` on it, each in a process of its own."""

    def __init__(self, directory: Path, server: str) -> None:
        self.state = directory / "state"
        self.socket = directory / "messages.sock"
        self._file = directory / "device.toml"
        settings = {
            "state_dir": str(self.state),
            "server": server,
            "insecure": True,
            "message_socket": str(self.socket),
        }
        self._file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))

    @contextlib.asynccontextmanager
    async def started(self, command: str) -> AsyncIterator[Process]:
        """A command that goes on; killed where it has not ended by itself."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "inkling_device.cli", "--settings", str(self._file), command),
            stdout=PIPE,
            stderr=STDOUT,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def run(self, command: str) -> tuple[int | None, str]:
        """Exit code and output of a command."""
        async with self.started(command) as process:
            return await ended(process)

    @property
    def logged_in(self) -> bool:
        return (self.state / FILE_NAME).exists()


async def ended(process: Process) -> tuple[int | None, str]:
    """Exit code and output, once it has ended."""
    async with asyncio.timeout(60):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


async def until(holds: Callable[[], bool]) -> None:
    """Waits until something is so; a minute is longer than anything here takes."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.02)


def credentials(server: str) -> Credentials:
    """Of a pairing that nobody asks about."""
    return Credentials(server, "pairing-1", "127.0.0.1:9", bytes(32), "access-1", "refresh-1", dt.datetime.now(dt.UTC))


async def test_an_agent_at_work_logs_out_and_goes_on(tmp_path: Path) -> None:
    async with FakeServer(lambda: dt.datetime.now(dt.UTC)) as server:
        device = Device(tmp_path, server.web_address)
        glasses = Glasses(device.state, server, ManualClock(dt.datetime.now(dt.UTC)))
        await glasses.pair()
        await glasses.close()
        async with device.started("run") as agent:
            await until(device.socket.exists)
            await until((device.state / "policy.pb").exists)
            exit_code, output = await device.run("unpair")
            assert (exit_code, "The agent has logged out" in output) == (0, True), output
            assert not device.logged_in
            await until(lambda: len(server.revoked) == 1)
            assert all(pairing.ended for pairing in server.pairings.values())
            await until(device.socket.exists)
            exit_code, output = await device.run("status")
            assert (exit_code, "nobody is logged in" in output) == (0, True), output
            assert agent.returncode is None
            agent.send_signal(signal.SIGTERM)
            assert (await ended(agent))[0] == 0


async def test_one_unpair_beside_another_leaves_it_alone(tmp_path: Path) -> None:
    """The first has wiped everything and is still telling a server that takes its time."""
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await may_answer.wait()
        writer.close()

    async with await asyncio.start_server(answer_late, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        device = Device(tmp_path, address)
        CredentialStore(device.state).save(credentials(address))
        async with device.started("unpair") as first:
            await asyncio.wait_for(asked.wait(), 60)
            assert (await device.run("unpair"))[0] == 0
            may_answer.set()
            exit_code, output = await ended(first)
    assert (exit_code, "The server could not be told" in output) == (0, True), output
    assert not device.logged_in


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """A state directory, logged in, that this very process holds, which takes the signal and does nothing."""
    CredentialStore(tmp_path).save(credentials("https://inkling.example"))
    database = StateDatabase.open(tmp_path, SystemClock())
    before = signal.signal(cli.UNPAIR_SIGNAL, lambda number, frame: None)
    yield tmp_path
    signal.signal(cli.UNPAIR_SIGNAL, before)
    database.close()


def test_an_agent_that_does_not_log_out_in_time_is_named(held: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "UNPAIR_SECONDS", 0.0)
    with pytest.raises(StateError, match=f"process {os.getpid()}, has not logged out yet"):
        cli._unpair_running_agent(held)
    assert CredentialStore(held).current is not None


@pytest.mark.parametrize("content", ["", "an older agent\n"])
def test_a_holder_that_cannot_be_told_is_left_alone(held: Path, content: str) -> None:
    (held / LOCK_NAME).write_text(content)
    with pytest.raises(StateError, match="stop the agent, and log out again"):
        cli._unpair_running_agent(held)


def test_the_lock_names_who_holds_it_now(held: Path) -> None:
    """Also after one whose number was longer."""
    assert holder(held) == os.getpid()
    other = held / "other"
    other.mkdir()
    (other / LOCK_NAME).write_text("99999999999999\n")
    database = StateDatabase.open(other, SystemClock())
    assert holder(other) == os.getpid()
    database.close()


class ToldAtOnce:
    """In place of `Agent`: is told to log out as soon as it holds the state directory, and to stop when it has."""

    calls: list[str]

    def __init__(self, settings: Settings, senses: Senses) -> None:
        type(self).calls = ["open"]
        os.kill(os.getpid(), cli.UNPAIR_SIGNAL)

    async def run(self, stop: asyncio.Event) -> None:
        self.calls.append("run")
        await asyncio.wait_for(stop.wait(), 60)

    async def unpair(self) -> None:
        self.calls.append("unpair")
        os.kill(os.getpid(), signal.SIGTERM)

    def close(self) -> None:
        self.calls.append("close")


def test_an_agent_can_be_told_from_its_first_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal would kill one that does not listen for it yet."""
    monkeypatch.setattr(cli, "Agent", ToldAtOnce)
    asyncio.run(cli._until_signalled(Settings(), create_autospec(Senses)))
    assert ToldAtOnce.calls == ["open", "run", "unpair", "run", "close"]
