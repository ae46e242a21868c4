"""The composition root: builds the stages from the settings, owns their lifetimes, and moves samples through them.

    sources -> listener -> pipeline (classifier or eyes, guard) -> outbox -> sync

Each source is a task of its own. Sound is heard in a thread of the agent's own; everything is understood in the one
thread that may use the models. A source that fails for good ends alone and says so; the rest of the agent goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from inkling_device.battery import Battery
from inkling_device.capture.camera import Camera
from inkling_device.capture.errors import CaptureError, SourceError
from inkling_device.capture.folder import WatchedFolder
from inkling_device.capture.light import CommandLight, FileLight, Light, LitSource
from inkling_device.capture.messages import MessageSocket
from inkling_device.capture.microphone import Microphone
from inkling_device.capture.source import Source as CaptureSource
from inkling_device.clock import Clock, SystemClock
from inkling_device.errors import StateError
from inkling_device.listen.listener import Listener
from inkling_device.listen.voice import WebRtcVoiceActivity
from inkling_device.models.senses import Senses
from inkling_device.observation import AudioChunk, Clip, Message, Photo, Source, Utterance
from inkling_device.pairing import unpair
from inkling_device.pipeline import Pipeline
from inkling_device.privacy.guard import Guard, Verdict
from inkling_device.privacy.rules import standard_rules
from inkling_device.settings import Settings
from inkling_device.state import State
from inkling_device.sync import Sent

log = logging.getLogger(__name__)

FOLDER_MEMORY = "watched-folder"
"""File in the state directory that remembers what was taken from the watched folder."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """One thing that the agent understood, for whoever watches it: the emulator and tests."""

    source: Source
    verdict: Verdict
    words: str | None = field(default=None, repr=False)
    """Of speech and typed text, only for an agent that was built with `show_words`; a real one never is."""


Observer = Callable[[Noticed], None]


class Agent:
    """The agent on one pair of glasses. Owns its state directory from construction to `close`."""

    def __init__(
        self,
        settings: Settings,
        senses: Senses,
        *,
        clock: Clock | None = None,
        observer: Observer = lambda noticed: None,
        on_sent: Callable[[Sent], None] = lambda sent: None,
        show_words: bool = False,
    ) -> None:
        """Raises `StateBusyError` if another agent runs on the state directory, `StateError`, `SettingsError`."""
        self._settings = settings
        self._senses = senses
        self._observer = observer
        self._show_words = show_words
        self.state = State.open(settings, clock or SystemClock(), on_sent=on_sent)
        self._battery = Battery(settings.battery_file)
        guard = Guard(
            standard_rules(
                thresholds=senses.thresholds,
                refusal=self.state.policy.refusal,
                released_today=self._released_today,
            ),
            today=self._today,
            count_drop=self.state.ledger.count_drop,
        )
        self._pipeline = Pipeline(
            classifier=senses.classifier, eyes=senses.eyes, topics_of=senses.topics_of, guard=guard
        )
        self._ear = ThreadPoolExecutor(1, "ear")
        self._listener: Listener | None = None
        self._muted = False
        self._camera: Camera | None = None
        self.heard_seconds = 0.0
        """Sound that the agent is done with, whether or not it was let near the recognizers."""

    def close(self) -> None:
        """Lets go of the state directory."""
        self._ear.shutdown()
        self.state.close()

    async def run(self, stop: asyncio.Event) -> None:
        """Captures, understands and syncs until `stop` is set. What was understood by then is recorded."""
        workers = [asyncio.create_task(worker) for worker in self._workers()]
        stopped = asyncio.create_task(stop.wait())
        try:
            syncing = asyncio.create_task(self.state.sync.run(stop))
            await asyncio.wait([stopped, syncing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        await syncing

    async def unpair(self) -> None:
        """Logs out and wipes queue, ledger, policy and credentials; see `pairing.unpair`. Not while `run` runs.

        What was taken from the watched folder stays marked, so that nobody who logs in next is given it. Raises
        `StateError`.
        """
        state = self.state
        await self._senses.think(lambda: None)  # what `run` left half understood is recorded now, not after the wipe
        logged_in = state.credentials.current is not None
        if await unpair(state.tokens.oauth, store=state.credentials, policy=state.policy, outbox=state.outbox):
            log.info("logged out")
        elif logged_in:
            log.warning('logged out, but the server could not be told: choose "forget" for these glasses on its page')

    def push_to_talk(self) -> None:
        """What is said next is for the assistant; of no effect while it may not be recorded."""
        if self._listener is not None and self.state.policy.refusal(Source.VOICE) is None:
            self._listener.push_to_talk()

    def mute(self, muted: bool = True) -> None:
        """Nothing is heard while muted, whoever logs out or in meanwhile."""
        self._muted = muted
        if self._listener is not None:
            self._listener.mute(muted)

    def take_picture(self) -> None:
        """Looks at the camera's next frame."""
        if self._camera is not None:
            self._camera.take_picture()

    def _workers(self) -> Iterator[Any]:
        """One coroutine for each source that the settings name."""
        settings, light = self._settings, _light(self._settings)
        if settings.microphone and self._senses.speech is not None:
            self._listener = Listener(WebRtcVoiceActivity(), self._senses.wake_spotter(), self._senses.transcriber())
            self._listener.mute(self._muted)
            yield self._work("microphone", _lit(Microphone(settings.microphone), light), self._hear)
        if settings.camera:
            self._camera = Camera(settings.camera)
            yield self._work("camera", _lit(self._camera, light), self._see)
        if settings.watched_folder is not None:
            folder = WatchedFolder(settings.watched_folder, settings.state_dir / FOLDER_MEMORY)
            yield self._work("watched folder", folder, self._see)
        if settings.message_socket is not None:
            buttons = {
                "push-to-talk": self.push_to_talk,
                "mute": self.mute,
                "unmute": lambda: self.mute(False),
                "take-picture": self.take_picture,
            }
            yield self._work("message socket", MessageSocket(settings.message_socket, buttons), self._read)

    async def _work(self, name: str, source: CaptureSource, take: Callable[[Any], Awaitable[None]]) -> None:
        """Takes the samples of one source, one after another; one that fails ends, and says so."""
        try:
            async with contextlib.aclosing(source.samples()) as samples:
                async for sample in samples:
                    await take(sample)
        except SourceError as error:
            log.error("the %s is off until the agent is started again: %s", name, error)
        except Exception as error:
            # Its text may quote a sample.
            log.error("the %s is off until the agent is started again: %s", name, type(error).__name__)

    async def _hear(self, chunk: AudioChunk) -> None:
        assert self._listener is not None
        loop = asyncio.get_running_loop()
        if self.state.policy.refusal(Source.VOICE) is None:
            for utterance in await loop.run_in_executor(self._ear, self._listener.hear, chunk):
                await self._understand(Source.VOICE, self._pipeline.hear, utterance, utterance.words)
        else:
            # What may not be recorded is not even listened to, and no call from before is answered afterwards.
            await loop.run_in_executor(self._ear, self._listener.forget)
        self.heard_seconds += chunk.seconds

    async def _read(self, message: Message) -> None:
        await self._understand(Source.TEXT, self._pipeline.read, message, message.text)

    async def _see(self, sample: Photo | Clip) -> None:
        await self._battery.enough()
        if isinstance(sample, Photo):
            await self._understand(Source.PHOTO, self._pipeline.look, sample)
        else:
            await self._understand(Source.VIDEO, self._pipeline.watch, sample)

    async def _understand(
        self,
        source: Source,
        judge: Callable[[Any], Verdict],
        sample: Utterance | Message | Photo | Clip,
        words: str | None = None,
    ) -> None:
        """One sample through the pipeline and into the outbox. Never raises: the next sample must have its chance."""
        try:
            verdict = await self._senses.think(self._judge_and_record, judge, sample)
        except CaptureError as error:
            log.warning("a sample could not be understood: %s", error)
        except StateError as error:
            log.error("an event could not be recorded: %s", error)
        except Exception as error:
            # Its text may quote the sample; type and place are all that may be told.
            log.error("a sample of kind %s failed with %s", source.name.lower(), type(error).__name__)
        else:
            self._observer(Noticed(source, verdict, words if self._show_words else None))

    def _judge_and_record(self, judge: Callable[[Any], Verdict], sample: object) -> Verdict:
        verdict = judge(sample)
        self.state.outbox.append(verdict.events)
        return verdict

    def _today(self) -> dt.date:
        return self.state.clock.now().date()

    def _released_today(self) -> frozenset[int]:
        return self.state.ledger.released_topics(self._today())


def _light(settings: Settings) -> Light | None:
    if settings.light_file is not None:
        return FileLight(settings.light_file)
    return CommandLight(settings.light_command) if settings.light_command else None


def _lit(source: CaptureSource, light: Light | None) -> CaptureSource:
    """`source` behind the capture light, where there is one."""
    return source if light is None else LitSource(source, light)
