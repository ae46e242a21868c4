"""The agent as a whole, with fake models, against the server in small: from samples to what the server counts."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inkling_device import agent as agent_module
from inkling_device.agent import FOLDER_MEMORY, Agent, Noticed
from inkling_device.capture.source import FakeSource
from inkling_device.clock import ManualClock
from inkling_device.listen.transcriber import FakeTranscriber
from inkling_device.listen.voice import FRAME_BYTES, FakeVoiceActivity
from inkling_device.listen.wake import FakeWakeSpotter
from inkling_device.models.senses import Senses
from inkling_device.oauth import DeviceCode, OAuthClient
from inkling_device.observation import (
    AudioChunk,
    Clip,
    InterestEvent,
    Photo,
    Sight,
    Source,
    Tag,
    TopicScore,
    Utterance,
)
from inkling_device.pairing import pair
from inkling_device.policy import Refusal
from inkling_device.privacy.rules import Thresholds
from inkling_device.settings import Settings
from inkling_device.testing import FakeServer
from inkling_device.transport import Transport
from inkling_device.understand.classifier import FakeClassifier, Reading

HIKING = "boots for a zanzibarquux trail"
SECRET = "my zanzibarquux results"
READINGS = {
    "trail": Reading([TopicScore(672, 0.93, 0.93)], {"health": 0.01}),
    "results": Reading([TopicScore(672, 0.5, 0.5)], {"health": 0.98}),
    "crash": Reading([TopicScore(672, 0.9, 0.9)], {}),
}


class FakeEyes:
    """Sees a mountain bike in everything but what is pitch-black, which breaks it."""

    def look(self, photo: Photo) -> Sight:
        if not photo.pixels.any():
            raise RuntimeError("zanzibarquux")
        return Sight([Tag(671, 0.9)], 0)

    def watch(self, clip: Clip) -> Sight:
        return Sight([Tag(671, 0.9)], 0)


@pytest.fixture
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer(lambda: dt.datetime.now(dt.UTC)) as running:
        yield running


class Running:
    """An agent at work in a directory of its own."""

    def __init__(self, directory: Path, server: FakeServer) -> None:
        self.folder = directory / "camera"
        self.folder.mkdir()
        self.server = server
        self.settings = Settings(
            state_dir=directory / "state",
            server=server.web_address,
            insecure=True,
            watched_folder=self.folder,
            message_socket=directory / "messages.sock",
            gather_seconds=0.0,
        )
        self.noticed: list[Noticed] = []
        self.stop = asyncio.Event()
        self.senses = Senses(FakeClassifier(READINGS), thresholds=Thresholds(0.5, 0.5, 0.5), eyes=FakeEyes())
        self.agent = Agent(self.settings, self.senses, observer=self.noticed.append)

    async def pair(self) -> None:
        """Logs in as a wearer who enters the code at once."""

        async def show(code: DeviceCode) -> None:
            self.server.approved.add(code.user_code)

        clock = ManualClock(dt.datetime.now(dt.UTC))
        oauth = OAuthClient(self.server.web_address, Transport(insecure=True), clock)
        pairing = asyncio.create_task(pair(oauth, self.agent.state.credentials, clock, show))
        clock.advance(await clock.until_asleep())
        await pairing

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Runs the agent; at the end it is stopped, and what it raised is raised."""
        self.stop.clear()
        task = asyncio.create_task(self.agent.run(self.stop))
        try:
            yield
        finally:
            self.stop.set()
            await task

    async def say(self, text: str) -> dict[str, object]:
        """Posts a typed message as an app would."""
        await self.until(self._socket().exists)
        reader, writer = await asyncio.open_unix_connection(self._socket())
        writer.write(json.dumps({"text": text}).encode() + b"\n")
        answer: dict[str, object] = json.loads(await reader.readline())
        writer.close()
        return answer

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits until something is so; a minute is longer than anything here takes."""
        async with asyncio.timeout(60):
            while not holds():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.02)

    def _socket(self) -> Path:
        assert self.settings.message_socket is not None
        return self.settings.message_socket


@pytest.fixture(params=["paired"])
async def glasses(tmp_path: Path, server: FakeServer, request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    running = Running(tmp_path, server)
    if request.param == "paired":
        await running.pair()
    task = asyncio.create_task(running.agent.run(running.stop))
    try:
        yield running
        assert not task.done() or task.exception() is None
    finally:
        running.stop.set()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        running.agent.close()


async def allowed(glasses: Running) -> None:
    """Waits until the policy has come and allows recording."""
    await glasses.until(lambda: glasses.agent.state.policy.refusal() is None)


def write_photo(folder: Path, name: str, value: int) -> None:
    """A settled photo of one grey."""
    done, encoded = cv2.imencode(".png", np.full((64, 64, 3), value, np.uint8))
    assert done
    (folder / name).write_bytes(encoded.tobytes())


async def test_typed_text_reaches_the_server_as_a_topic(glasses: Running) -> None:
    """And what is sensitive does not, but is counted on the device."""
    await allowed(glasses)
    assert await glasses.say(HIKING) == {"ok": True}
    await glasses.say(SECRET)
    await glasses.until(lambda: len(glasses.noticed) == 2)
    await glasses.until(lambda: len(glasses.server.merged()) == 1)
    [event] = glasses.server.merged()
    assert (event.topic, event.source, event.percentage) == (672, Source.TEXT, 93)
    [drop] = glasses.agent.state.ledger.drops()
    assert (drop.rule, drop.category, drop.count) == ("sensitive_topic", "health", 1)


async def test_photos_in_the_folder_are_looked_at_and_stay(glasses: Running) -> None:
    """One that breaks the eyes does not stop the next."""
    await allowed(glasses)
    write_photo(glasses.folder, "a_black.png", 0)
    write_photo(glasses.folder, "b_grey.png", 128)
    await glasses.until(lambda: len(glasses.server.merged()) >= 1)
    assert {event.source for event in glasses.server.merged()} == {Source.PHOTO}
    assert sorted(path.name for path in glasses.folder.iterdir()) == ["a_black.png", "b_grey.png"]


@pytest.mark.parametrize("glasses", ["logged out"], indirect=True)
async def test_logged_out_nothing_is_recorded(glasses: Running) -> None:
    """Not even for later."""
    await glasses.say(HIKING)
    await glasses.until(lambda: len(glasses.noticed) == 1)
    objection = glasses.noticed[0].verdict.objection
    assert objection is not None
    assert (objection.rule, objection.category) == ("policy", "logged_out")
    assert glasses.agent.state.ledger.totals().unsent == 0


async def test_no_word_reaches_logs_or_files(
    glasses: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At debug level, with samples that are released, dropped, and that break a stage."""
    caplog.set_level(logging.DEBUG)
    await allowed(glasses)
    for text in (HIKING, SECRET, "zanzibarquux crash"):
        await glasses.say(text)
    write_photo(glasses.folder, "black.png", 0)
    await glasses.until(lambda: len(glasses.noticed) == 3 and "failed with RuntimeError" in caplog.text)
    await glasses.until(lambda: len(glasses.server.merged()) == 2)
    assert "zanzibarquux" not in caplog.text
    assert all("zanzibarquux" not in repr(noticed) for noticed in glasses.noticed)
    assert all(noticed.words is None for noticed in glasses.noticed)
    written = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert written
    for path in written:
        assert b"zanzibarquux" not in path.read_bytes(), path.name
    assert all(b"zanzibarquux" not in request for request in glasses.server.requests)


async def test_an_outage_loses_nothing(glasses: Running) -> None:
    """What is recorded while the server is away is counted once when it is back."""
    await allowed(glasses)
    await glasses.server.stop_grpc()
    for _ in range(3):
        await glasses.say(HIKING)
    await glasses.until(lambda: len(glasses.noticed) == 3)
    await glasses.server.start_grpc()
    glasses.agent.state.sync.network_changed()
    await glasses.until(lambda: len(glasses.server.merged()) == 3)
    assert len(glasses.server.merged()) == 3


async def test_two_agents_cannot_share_a_state_directory(glasses: Running) -> None:
    """The second says so."""
    from inkling_device.errors import StateBusyError

    senses = Senses(FakeClassifier({}), thresholds=Thresholds(0.5, 0.5, 0.5), eyes=FakeEyes())
    with pytest.raises(StateBusyError):
        Agent(glasses.settings, senses)


async def test_an_agent_logs_out_and_can_go_on(tmp_path: Path, server: FakeServer) -> None:
    """It wipes everything, tells the server, records nothing while logged out, and serves whoever logs in next."""
    glasses = Running(tmp_path, server)
    state = glasses.agent.state
    await glasses.pair()
    async with glasses.at_work():
        await allowed(glasses)
        await glasses.say(HIKING)
        await glasses.until(lambda: len(server.merged()) == 1)
    held = state.credentials.current
    assert held is not None
    marks = (glasses.settings.state_dir / FOLDER_MEMORY).read_bytes()
    await glasses.agent.unpair()
    assert (glasses.settings.state_dir / FOLDER_MEMORY).read_bytes() == marks  # what was taken is not taken for another
    assert server.revoked == [held.refresh_token]
    assert state.policy.refusal() is Refusal.LOGGED_OUT
    assert (state.credentials.current, state.policy.held, state.ledger.entries()) == (None, None, [])
    async with glasses.at_work():
        await glasses.say(HIKING)
        await glasses.until(lambda: len(glasses.noticed) == 2)
    assert state.ledger.entries() == []
    await glasses.pair()
    async with glasses.at_work():
        await allowed(glasses)
        await glasses.say(HIKING)
        await glasses.until(lambda: [len(pairing.batches) for pairing in server.pairings.values()] == [1, 1])
    glasses.agent.close()


async def test_logging_out_says_when_the_server_could_not_be_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And says nothing of the kind where nobody was logged in."""
    async with FakeServer(lambda: dt.datetime.now(dt.UTC)) as server:
        glasses = Running(tmp_path, server)
        await glasses.pair()
    await glasses.agent.unpair()
    assert glasses.agent.state.credentials.current is None
    assert caplog.text.count("the server could not be told") == 1
    await glasses.agent.unpair()
    assert caplog.text.count("the server could not be told") == 1
    glasses.agent.close()


async def test_what_is_being_recorded_while_logging_out_is_wiped_as_well(
    tmp_path: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded after the wipe, it would be taken for the next account's."""
    glasses = Running(tmp_path, server)
    outbox = glasses.agent.state.outbox
    append, released, may_go_on = outbox.append, threading.Event(), threading.Event()

    def append_late(events: Sequence[InterestEvent]) -> None:
        released.set()
        assert may_go_on.wait(60)
        append(events)

    monkeypatch.setattr(outbox, "append", append_late)
    await glasses.pair()
    async with glasses.at_work():
        await allowed(glasses)
        await glasses.say(HIKING)
        await glasses.until(released.is_set)
    unpairing = asyncio.create_task(glasses.agent.unpair())
    await asyncio.sleep(0)
    may_go_on.set()
    await unpairing
    await glasses.senses.think(lambda: None)
    assert glasses.agent.state.ledger.entries() == []
    glasses.agent.close()


async def test_a_source_that_breaks_ends_alone_and_says_so(
    tmp_path: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of an error that no source should raise only the kind is told: its text may quote the sample."""
    broken = FakeSource([], RuntimeError("zanzibarquux"))
    monkeypatch.setattr(agent_module, "WatchedFolder", lambda folder, memory: broken)
    glasses = Running(tmp_path, server)
    await glasses.pair()
    async with glasses.at_work():
        await allowed(glasses)
        await glasses.until(lambda: broken.closed == 1)
        await glasses.say(HIKING)
        await glasses.until(lambda: len(glasses.noticed) == 1)
    assert "the watched folder is off until the agent is started again: RuntimeError" in caplog.text
    assert "zanzibarquux" not in caplog.text
    glasses.agent.close()


MARK = b"\x07\x07" * 4_800
SPEECH = b"\1\0" * 16_000
SILENCE = bytes(33 * FRAME_BYTES)


class Room:
    """In place of the microphone: what is said in a room, and an ear of fakes for it."""

    def __init__(self) -> None:
        self._sounds = asyncio.Queue[AudioChunk]()
        self.transcriber = FakeTranscriber([Utterance(HIKING, 0.9)])

    async def samples(self) -> AsyncGenerator[AudioChunk, None]:
        while True:
            yield await self._sounds.get()

    async def hears(self, glasses: Running, *sounds: bytes) -> None:
        """Returns when the agent is done with it."""
        chunk = AudioChunk(b"".join(sounds))
        until = glasses.agent.heard_seconds + chunk.seconds
        self._sounds.put_nowait(chunk)
        await glasses.until(lambda: glasses.agent.heard_seconds >= until)


@pytest.fixture
async def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    room = Room()
    monkeypatch.setattr(agent_module, "Microphone", lambda command: room)
    monkeypatch.setattr(agent_module, "WebRtcVoiceActivity", FakeVoiceActivity)
    monkeypatch.setattr(Senses, "wake_spotter", lambda senses: FakeWakeSpotter(MARK))
    monkeypatch.setattr(Senses, "transcriber", lambda senses: room.transcriber)
    return room


@pytest.fixture
async def hearing(tmp_path: Path, server: FakeServer, room: Room) -> AsyncIterator[Running]:
    """Glasses with a microphone, logged in and not yet at work."""
    glasses = Running(tmp_path, server)
    glasses.agent.close()
    speech: Any = object()
    settings = replace(glasses.settings, microphone=("room",))
    glasses.agent = Agent(settings, replace(glasses.senses, speech=speech), observer=glasses.noticed.append)
    await glasses.pair()
    yield glasses
    glasses.agent.close()


@pytest.mark.parametrize("call", ["pressed before", "pressed meanwhile", "phrase", "half an utterance"])
async def test_no_call_outlives_a_refusal(
    hearing: Running, room: Room, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When recording is allowed again, what is said then is for others; the next call is answered."""
    policy = hearing.agent.state.policy
    async with hearing.at_work():
        await allowed(hearing)
        if call == "pressed before":
            hearing.agent.push_to_talk()
        elif call != "pressed meanwhile":
            await room.hears(hearing, MARK, SPEECH if call == "half an utterance" else b"")
        with monkeypatch.context() as patch:
            patch.setattr(policy, "refusal", lambda source=None: Refusal.PAUSED)
            await room.hears(hearing, SPEECH)
            if call == "pressed meanwhile":
                hearing.agent.push_to_talk()
        room.transcriber.fed.clear()
        await room.hears(hearing, SPEECH, SILENCE)
        assert room.transcriber.fed == b""
        assert hearing.noticed == []
        room.transcriber = FakeTranscriber([Utterance(HIKING, 0.9)])
    async with hearing.at_work():
        await room.hears(hearing, MARK, SPEECH, SILENCE)
        assert [noticed.source for noticed in hearing.noticed] == [Source.VOICE]


async def test_mute_outlives_logging_out_and_in(hearing: Running, room: Room) -> None:
    """Nobody who muted the glasses is heard because an account changed."""
    async with hearing.at_work():
        await allowed(hearing)
        hearing.agent.mute()
    await hearing.agent.unpair()
    await hearing.pair()
    async with hearing.at_work():
        await allowed(hearing)
        await room.hears(hearing, MARK, SPEECH, SILENCE)
        assert hearing.noticed == []
        hearing.agent.mute(False)
        await room.hears(hearing, MARK, SPEECH, SILENCE)
        assert [noticed.source for noticed in hearing.noticed] == [Source.VOICE]
