"""What the agent hears, reads and sees with: heavy, loaded once, shared by every agent of a process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from inkling_device import tflite
from inkling_device.listen.engine import vosk
from inkling_device.listen.transcriber import LIVE_FRAMES_AT_ONCE, VoskTranscriber, load_speech_model
from inkling_device.listen.wake import VoskWakeSpotter
from inkling_device.models import fetch
from inkling_device.observation import Sight, TopicScore
from inkling_device.pipeline import Eyes
from inkling_device.privacy.rules import Thresholds
from inkling_device.see.eye import open_eye
from inkling_device.see.tag_topics import topics_of
from inkling_device.understand.classifier import TextClassifier
from inkling_device.understand.load import load_classifier

T = TypeVar("T")


@dataclass(frozen=True)
class Senses:
    """What an agent hears, reads and sees with."""

    classifier: TextClassifier
    thresholds: Thresholds
    eyes: Eyes
    topics_of: Callable[[Sight], Sequence[TopicScore]] = topics_of
    speech: vosk.Model | None = None
    """None where nothing is heard."""
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "understanding"), repr=False)

    @classmethod
    def load(cls, *, speech: bool = True) -> Senses:
        """Checks every model; takes some seconds. Speech stays in memory, the other models take turns in one slot.

        Raises `ModelMismatchError` where a model answers wrongly on this machine, `SpeechModelMissingError` where the
        speech model has not been fetched.
        """
        slot = tflite.Slot()
        classifier, calibration = load_classifier(slot)
        senses = cls(classifier, Thresholds.of(calibration), open_eye(slot))
        return senses.with_speech(live=True) if speech else senses

    def with_speech(self, *, live: bool) -> Senses:
        """The same senses that hear as well: `live` at the least cost, otherwise exactly as bare Vosk does.

        Raises `SpeechModelMissingError`.
        """
        frames = LIVE_FRAMES_AT_ONCE if live else None
        return replace(self, speech=load_speech_model(fetch.speech_model(), frames_at_once=frames))

    def transcriber(self) -> VoskTranscriber:
        """A transcriber of its own for each listener."""
        return VoskTranscriber(self._speech_model())

    def wake_spotter(self) -> VoskWakeSpotter:
        """A wake spotter of its own for each listener."""
        return VoskWakeSpotter(self._speech_model())

    async def think(self, function: Callable[..., T], *args: object) -> T:
        """Calls `function` in the one thread that may use classifier and eyes."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def _speech_model(self) -> vosk.Model:
        if self.speech is None:
            raise RuntimeError("the senses were loaded without speech")
        return self.speech
