"""One pair of emulated glasses: the agent as it is, with a microphone, a folder, a socket and a battery of our own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from inkling_device.agent import Agent
from inkling_device.battery import RESERVE_PERCENT
from inkling_device.capture.files import read_media
from inkling_device.clock import Clock
from inkling_device.credentials import CredentialStore
from inkling_device.ledger import DropCount
from inkling_device.models.senses import Senses
from inkling_device.oauth import DeviceCode, OAuthClient
from inkling_device.observation import AudioChunk, Clip, Photo
from inkling_device.pairing import pair
from inkling_device.settings import Settings
from inkling_device.transport import Transport
from inkling_emulator.clock import QuickClock, until
from inkling_emulator.day import Input, Kind
from inkling_emulator.errors import EmulatorError
from inkling_emulator.network import Network
from inkling_emulator.player import Player
from inkling_emulator.timeline import Step, Timeline
from inkling_emulator.wearer import Wearer

QUICKEST_CLOCK = 60.0
"""How much faster than real time the agent's waits pass at most: a minute's rest takes a second."""
_QUIET_SECONDS = 1.6
"""Silence after speech, in which the agent hears that an utterance is over."""
_UNDERSTANDING_SECONDS = 45.0
"""How long a photo, clip or message may take before the agent is taken to have set it aside."""
_HEARING_SECONDS = 120.0
"""How much longer than a recording the agent may take to hear it."""
_START_SECONDS = 30.0
_SENDING_SECONDS = 60.0
_FULL = 100


@dataclass(slots=True)
class Kept:
    """How much the glasses took in; none of it left them."""

    sound_seconds: float = 0.0
    words: int = 0
    """Words transcribed or typed; counted only where words are shown."""
    pictures: int = 0
    """Photos, and the frames of clips."""
    pixels: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a day passes."""

    speed: float
    """Times real time; infinite for as fast as everything is understood."""
    first: int
    """Second of the day at which it begins."""
    started: float
    """`time.monotonic()` then."""

    @classmethod
    def starting(cls, speed: float, first: int) -> Pace:
        """A day that begins now."""
        return cls(speed, first, time.monotonic())

    async def until(self, second: int) -> None:
        """Returns when it is that second of the day."""
        await asyncio.sleep(max((second - self.first) / self.speed - (time.monotonic() - self.started), 0.0))


class Glasses:
    """Performs inputs on an agent and keeps what became of them. Open it with `glasses`."""

    def __init__(self, agent: Agent, settings: Settings, timeline: Timeline, network: Network, player: Player) -> None:
        self.agent = agent
        self.timeline = timeline
        self.network = network
        self.kept = Kept()
        self._settings = settings
        self._player = player
        self._charge = _FULL
        self._pictures: list[asyncio.Task[None]] = []
        self._number = 0

    async def live(self, inputs: Sequence[Input], pace: Pace) -> None:
        """Performs `inputs` and returns when all of them are understood, but pictures that wait for the battery."""
        for item in inputs:
            await pace.until(item.seconds)
            await self._perform(item)
        if self._charge >= RESERVE_PERCENT:
            await self._understood()

    async def finish(self) -> bool:
        """Waits until everything is understood and sent; False where something is left over."""
        await self._understood()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SENDING_SECONDS):
                await until(lambda: not self.agent.state.ledger.totals().unsent)
        self.timeline.settle()
        self.kept.sound_seconds = self.agent.heard_seconds
        self.kept.words = sum(len(step.words.split()) for step in self.timeline.steps)
        totals = self.agent.state.ledger.totals()
        return not any((totals.unsent, totals.gave_way, totals.too_old, totals.refused, totals.set_aside))

    def drops(self) -> Sequence[DropCount]:
        """What the guard dropped, as the agent's ledger has it."""
        return self.agent.state.ledger.drops()

    async def _perform(self, item: Input) -> None:
        step = self.timeline.begin(item)
        perform: dict[Kind, Callable[[Step], Awaitable[None]]] = {
            Kind.SAY: self._speak,
            Kind.OVERHEARD: self._speak,
            Kind.PUSH: self._push,
            Kind.PHOTO: self._show,
            Kind.CLIP: self._show,
            Kind.TEXT: self._type,
            Kind.MUTE: self._mute,
            Kind.NETWORK: self._network,
            Kind.BATTERY: self._battery,
        }
        await perform[item.kind](step)

    async def _speak(self, step: Step) -> None:
        assert step.input.file is not None
        sound = read_media(step.input.file)
        assert isinstance(sound, AudioChunk)
        try:
            async with asyncio.timeout(_HEARING_SECONDS + sound.seconds):
                await self._player.play(sound.pcm, then_quiet=_QUIET_SECONDS)
        except TimeoutError:
            step.problem = "the agent does not hear"

    async def _push(self, step: Step) -> None:
        step.problem = await self._tell({"command": "push-to-talk"})
        await self._speak(step)

    async def _mute(self, step: Step) -> None:
        step.problem = await self._tell({"command": "mute" if step.input.muted else "unmute"})

    async def _type(self, step: Step) -> None:
        understood = self.timeline.expect(step)
        step.problem = await self._tell({"text": step.input.text})
        if step.problem:
            self.timeline.give_up(step)
        else:
            await self._wait(step, understood)

    async def _show(self, step: Step) -> None:
        """Saves the file as a camera app does: under another name first, so that no half of it is seen."""
        assert step.input.file is not None
        assert self._settings.watched_folder is not None
        self._count_pixels(step.input.file)
        understood = self.timeline.expect(step)
        self._number += 1
        saved = self._settings.watched_folder / f"{self._number:04}{step.input.file.suffix}"
        partial = saved.with_name(f".{saved.name}")
        await asyncio.to_thread(shutil.copyfile, step.input.file, partial)
        partial.rename(saved)
        self._pictures.append(asyncio.create_task(self._wait(step, understood)))

    async def _network(self, step: Step) -> None:
        if step.input.word == "down":
            await self.network.down()
        else:
            self.network.up()
            self.agent.state.sync.network_changed()

    async def _battery(self, step: Step) -> None:
        assert self._settings.battery_file is not None
        self._charge = step.input.percent
        self._settings.battery_file.write_text(str(self._charge), encoding="ascii")

    async def _understood(self) -> None:
        pictures, self._pictures = self._pictures, []
        await asyncio.gather(*pictures)

    async def _wait(self, step: Step, understood: asyncio.Event) -> None:
        """Returns when the step is understood, or will not be. Time with a low battery does not count."""
        patience = _UNDERSTANDING_SECONDS
        while not understood.is_set() and patience > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(understood.wait(), 1.0)
            patience -= self._charge >= RESERVE_PERCENT
        if not understood.is_set():
            step.problem = "set aside"
            self.timeline.give_up(step)

    async def _tell(self, message: dict[str, str | None]) -> str:
        """Posts to the agent's socket as an app does; gives what was wrong, or nothing."""
        assert self._settings.message_socket is not None
        reader, writer = await asyncio.open_unix_connection(self._settings.message_socket)
        try:
            writer.write(json.dumps(message).encode() + b"\n")
            await writer.drain()
            answer = json.loads(await reader.readline())
        finally:
            writer.close()
        return "" if answer["ok"] else str(answer["error"])

    def _count_pixels(self, file: Path) -> None:
        sample = read_media(file)
        if isinstance(sample, Photo):
            self.kept.pictures += 1
            self.kept.pixels += sample.pixels.shape[0] * sample.pixels.shape[1]
        elif isinstance(sample, Clip):
            clip = cv2.VideoCapture(sample.path)
            frames, width, height = (
                int(clip.get(what))
                for what in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
            )
            clip.release()
            self.kept.pictures += frames
            self.kept.pixels += frames * width * height


@contextlib.asynccontextmanager
async def glasses(
    directory: Path, network: Network, wearer: Wearer, senses: Senses, *, speed: float, show_words: bool, name: str
) -> AsyncIterator[Glasses]:
    """Glasses that `wearer`, who is logged in, lets in under `name`, and whose agent runs in `directory`.

    `speed` is as in `Pace`. `show_words` has the agent tell what it heard, which no real one ever does.
    """
    clock = QuickClock(min(max(speed, 1.0), QUICKEST_CLOCK))
    settings = _settings(directory, network)
    await _pair(settings, wearer, clock, name)
    timeline = Timeline()
    agent = Agent(
        settings, senses, clock=clock, observer=timeline.notice, on_sent=timeline.note_sent, show_words=show_words
    )
    try:
        player = Player(directory / "microphone", lambda: agent.heard_seconds, speed=speed)
        async with _running(agent, settings, player):
            yield Glasses(agent, settings, timeline, network, player)
    finally:
        agent.close()


def _settings(directory: Path, network: Network) -> Settings:
    camera, battery, light = directory / "camera", directory / "battery", directory / "light"
    camera.mkdir(parents=True)
    battery.write_text(str(_FULL), encoding="ascii")
    light.write_text("0", encoding="ascii")
    return Settings(
        state_dir=directory / "state",
        server=network.server,
        insecure=True,
        microphone=Player.command(directory / "microphone"),
        watched_folder=camera,
        message_socket=directory / "messages",
        light_file=light,
        battery_file=battery,
    )


async def _pair(settings: Settings, wearer: Wearer, clock: Clock, name: str) -> None:
    async def show(code: DeviceCode) -> None:
        await wearer.let_in(code.user_code, name)

    oauth = OAuthClient(settings.server, Transport(insecure=True), clock)
    await pair(oauth, CredentialStore(settings.state_dir), clock, show)


@contextlib.asynccontextmanager
async def _running(agent: Agent, settings: Settings, player: Player) -> AsyncIterator[None]:
    """Runs the agent and plays its microphone, from when it is ready on."""
    stop = asyncio.Event()
    running = asyncio.create_task(agent.run(stop))
    playing = asyncio.create_task(player.run())
    try:
        await _ready(agent, settings, running)
        yield
    finally:
        stop.set()
        await asyncio.wait({running})
        playing.cancel()  # after the agent: a microphone that ends is started again
        await asyncio.wait({playing})
        running.result()


async def _ready(agent: Agent, settings: Settings, running: asyncio.Task[None]) -> None:
    """Returns when the policy is there, the socket listens and sound is heard. Raises `EmulatorError` otherwise."""
    socket = settings.message_socket
    assert socket is not None
    try:
        async with asyncio.timeout(_START_SECONDS):
            await until(lambda: running.done() or (agent.state.policy.held and socket.exists() and agent.heard_seconds))
    except TimeoutError:
        problem = agent.state.sync.last_failure or "no sound is heard"
        raise EmulatorError(f"the glasses are not ready after {_START_SECONDS:.0f} s: {problem}") from None
    if running.done():
        running.result()
        raise EmulatorError("the agent ended at once; its log says why")
