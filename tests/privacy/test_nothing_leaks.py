"""Nothing a wearer said, typed or saw is in what the device sent, wrote, logged or left behind when it crashed.

The agent runs as it does on glasses, with the real models, at debug level, behind a proxy that records every byte; it
is asked a hundred things that each hold a word found nowhere else, and is then crashed.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from inkling_device.clock import SystemClock
from inkling_device.credentials import CredentialStore
from inkling_device.database import ReadOnlyDatabase
from inkling_device.ledger import Ledger, Totals
from inkling_device.oauth import DeviceCode, OAuthClient
from inkling_device.observation import Source
from inkling_device.pairing import pair
from inkling_device.transport import Transport
from inkling_emulator.network import Network, network
from inkling_emulator.server import server_process
from inkling_emulator.wearer import Login, Wearer

pytestmark = pytest.mark.models

DATA = Path(__file__).parents[1] / "data"
FRAMES = (
    "which hiking boots suit the {} trail in autumn",
    "recommend a mountain bike for riding around {}",
    "my doctor {} says the tumour has grown",
    "the imam at {} asked me to pray",
    "write to {}@example.org about the concert",
    "play the new {} album and turn it up",
)


SPEAK = """
until [ -e "$1" ]; do sleep 0.1; done
cat "$2"; head -c 64000 /dev/zero  # two seconds of silence, which end the utterance
exec sleep 600
"""
"""A microphone to which nothing is said before there is a policy: what comes then is not even listened to."""
SOURCES = {Source.VOICE, Source.TEXT, Source.PHOTO}


def planted_words() -> list[str]:
    """A hundred words that are in no vocabulary, the same at every run."""
    chance = random.Random(7)
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    return ["".join(chance.choices(syllables, k=5)) + "x" for _ in range(100)]


@dataclass(frozen=True, slots=True)
class Left:
    """Everything that the device let out or left behind."""

    traffic: bytes
    output: bytes
    files: dict[str, bytes]
    totals: Totals
    dropped: int
    taken: int
    sources: frozenset[Source]
    """Those of the recorded events."""

    def places_of(self, needle: bytes) -> list[str]:
        """Where `needle` is found, in any case."""
        where = {"traffic": self.traffic, "output": self.output, **self.files}
        return [name for name, content in where.items() if needle in content or needle in content.lower()]


async def log_in(web: str, through: Network, directory: Path) -> None:
    """Pairs the state directory through the recorded network."""
    clock = SystemClock()
    login = Login("leak@example.org", "correct horse battery")
    async with Wearer(web, login) as wearer:
        await wearer.sign_up(home_region="US", birth_year=1980)

        async def show(code: DeviceCode) -> None:
            await wearer.let_in(code.user_code, "leak test")

        oauth = OAuthClient(through.server, Transport(insecure=True), clock)
        await pair(oauth, CredentialStore(directory), clock, show)


async def post(socket: Path, text: str) -> None:
    reader, writer = await asyncio.open_unix_connection(socket)
    writer.write(json.dumps({"text": text}).encode() + b"\n")
    assert json.loads(await reader.readline()) == {"ok": True}
    writer.close()


async def lived(directory: Path) -> Left:
    """A short, full life of the agent, ended by a crash."""
    state, folder, socket = directory / "state", directory / "camera", directory / "messages.sock"
    folder.mkdir()
    async with server_process(directory) as server, network(server.web, keep=True) as through:
        await log_in(server.web, through, state)
        settings = {
            "state_dir": str(state),
            "server": through.server,
            "insecure": True,
            "watched_folder": str(folder),
            "message_socket": str(socket),
            "microphone": ["sh", "-c", SPEAK, "sh", str(state / "policy.pb"), str(DATA / "speech/trail_slt.wav")],
            "gather_seconds": 0.2,
            "log_level": "DEBUG",
        }
        file = directory / "device.toml"
        file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
        output = directory / "output"
        with output.open("wb") as log:
            agent = subprocess.Popen(  # noqa: ASYNC220 - it is over in a moment, and the loop has nothing else to do
                [sys.executable, "-X", "faulthandler", "-m", "inkling_device.cli", "--settings", str(file), "run"],
                stdout=log,
                stderr=log,
                cwd=directory,
            )
        ledger = Ledger(ReadOnlyDatabase(state), SystemClock())
        try:
            await until(socket.exists)
            await until((state / "policy.pb").exists)
            shutil.copy(DATA / "photos/coffee.jpg", folder)
            for number, word in enumerate(planted_words()):
                await post(socket, FRAMES[number % len(FRAMES)].format(word))
                await asyncio.sleep(0.02)  # the socket refuses more than may wait
            await until(lambda: sum(drop.count for drop in ledger.drops()) >= 50 and sources(ledger) == SOURCES)
            await until(lambda: not ledger.totals().unsent)
        finally:
            agent.send_signal(signal.SIGABRT)
            agent.wait()
        return Left(
            traffic=bytes(through.pairing.sent + through.sync.sent),
            output=output.read_bytes(),
            files={path.name: path.read_bytes() for path in state.rglob("*") if path.is_file()},
            totals=ledger.totals(),
            dropped=sum(drop.count for drop in ledger.drops()),
            taken=len(ledger.entries()),
            sources=sources(ledger),
        )


def sources(ledger: Ledger) -> frozenset[Source]:
    return frozenset(entry.event.source for entry in ledger.entries())


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    return asyncio.run(lived(tmp_path_factory.mktemp("leak")))


def test_the_life_was_full(left: Left) -> None:
    """Otherwise the other tests would prove nothing: things were released, dropped, logged and crashed on."""
    assert left.sources == SOURCES
    assert left.taken >= 20
    assert left.dropped >= 50
    assert b"Fatal Python error" in left.output
    assert b"inkling.sync.v1.SyncService" in left.traffic
    assert {"outbox.sqlite", "policy.pb", "credentials.json"} <= left.files.keys()


def test_no_planted_word_is_anywhere(left: Left) -> None:
    """A hundred words, in plain or in capitals."""
    found = {word: places for word in planted_words() if (places := left.places_of(word.encode()))}
    assert not found


def test_no_words_of_the_speech_are_anywhere(left: Left) -> None:
    """What the recording says, two words at a time."""
    for pair_of_words in (b"hiking trail", b"near the lake", b"find me a", b"hey glasses"):
        assert left.places_of(pair_of_words) == []


def test_no_pixels_are_anywhere(left: Left) -> None:
    """No stretch of sixteen pixels of any eighth row, in either order of colours, nor of the file itself."""
    encoded = (DATA / "photos/coffee.jpg").read_bytes()
    picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    everything = left.traffic + left.output + b"".join(left.files.values())
    for row in picture[::8, 40:56]:
        assert row.tobytes() not in everything
        assert row[:, ::-1].tobytes() not in everything
    assert encoded[2000:2032] not in everything


CRASH = """
import sys
from inkling_device import cli

def crash(**_):
    try:
        raise ValueError("my zanzibarquux results")
    except ValueError as error:
        error.add_note("zanzibarquux")
        raise RuntimeError("zanzibarquux") from error

cli.Senses.load = crash
cli.main(["--settings", sys.argv[1], "run"])
"""


def test_a_crash_tells_the_kind_and_the_place_and_no_word(tmp_path: Path) -> None:
    """An error's text, its notes and its cause may quote what the wearer said."""
    settings = tmp_path / "device.toml"
    settings.write_text(f'state_dir = "{tmp_path / "state"}"\n')
    crashed = subprocess.run([sys.executable, "-c", CRASH, str(settings)], capture_output=True, text=True, check=False)
    assert crashed.returncode == 1
    assert "stopped by RuntimeError" in crashed.stderr
    assert "crash" in crashed.stderr
    assert "zanzibarquux" not in crashed.stdout + crashed.stderr
