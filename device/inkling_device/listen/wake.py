"""Spotting the wake phrase in speech, at a tenth of the cost of transcribing it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from inkling_device.listen.engine import vosk
from inkling_device.observation import SAMPLE_RATE

WAKE_PHRASE = "hey glasses"
"""Found in every one of six synthetic voices, and nowhere in seven minutes of read speech."""

_BYTES_PER_SECOND = 2 * SAMPLE_RATE


class PhraseNotKnownError(Exception):
    """A word of the wake phrase is not in the speech model's vocabulary, so it could never be heard."""


@dataclass(frozen=True, slots=True)
class Spotted:
    """Where in a stretch of speech the wake phrase is, in seconds from its start."""

    start: float
    end: float


class WakeSpotter(Protocol):
    """Listens for one phrase in stretches of speech. It keeps no words but the phrase."""

    def feed(self, pcm: bytes) -> Spotted | None:
        """Takes the next sound of this stretch: where the phrase is, once it is sure of one."""
        ...

    def end(self) -> Spotted | None:
        """The stretch is over: as `feed`, with what was still unsure. The next sound begins another stretch."""
        ...


class VoskWakeSpotter:
    """A recognizer whose grammar is the phrase and "anything else", on the same model as the transcriber.

    A first impression is often revised by what follows, so the phrase must stand for `confirm_seconds` more.
    """

    def __init__(
        self,
        model: vosk.Model,
        phrase: str = WAKE_PHRASE,
        *,
        minimum_confidence: float = 0.7,
        confirm_seconds: float = 0.3,
    ) -> None:
        """Raises `PhraseNotKnownError` for a phrase that the model cannot hear."""
        self._words = phrase.split()
        unknown = [word for word in self._words if model.vosk_model_find_word(word) < 0]
        if unknown or not self._words:
            raise PhraseNotKnownError(
                f"the wake phrase cannot be heard: {', '.join(unknown) or 'it is empty'};"
                " use words in the speech model's vocabulary"
            )
        self._recognizer = vosk.KaldiRecognizer(model, SAMPLE_RATE, json.dumps([phrase, "[unk]"]))
        self._recognizer.SetWords(True)
        self._phrase = phrase
        self._minimum_confidence = minimum_confidence
        self._confirm_bytes = round(confirm_seconds * _BYTES_PER_SECOND)
        self._fed = 0
        self._stretch_start = 0
        self._impression_at: int | None = None

    def feed(self, pcm: bytes) -> Spotted | None:
        self._fed += len(pcm)
        if self._recognizer.AcceptWaveform(pcm):
            self._impression_at = None
            return self._spotted(self._recognizer.Result())
        if self._phrase not in json.loads(self._recognizer.PartialResult())["partial"]:
            self._impression_at = None
        elif self._impression_at is None:
            self._impression_at = self._fed
        elif self._fed - self._impression_at >= self._confirm_bytes:
            self._impression_at = None
            return self._spotted(self._recognizer.FinalResult())
        return None

    def end(self) -> Spotted | None:
        spotted = self._spotted(self._recognizer.FinalResult())
        self._stretch_start = self._fed
        self._impression_at = None
        return spotted

    def _spotted(self, result: str) -> Spotted | None:
        """Vosk counts seconds over everything it was ever fed."""
        found: list[dict[str, Any]] = json.loads(result).get("result", [])
        size = len(self._words)
        for last in range(len(found) - 1, size - 2, -1):
            spoken = found[last - size + 1 : last + 1]
            if [word["word"] for word in spoken] == self._words and self._is_sure(spoken):
                before = self._stretch_start / _BYTES_PER_SECOND
                return Spotted(max(spoken[0]["start"] - before, 0.0), spoken[-1]["end"] - before)
        return None

    def _is_sure(self, spoken: list[dict[str, Any]]) -> bool:
        return all(word["conf"] >= self._minimum_confidence for word in spoken)


class FakeWakeSpotter:
    """Finds the phrase wherever a stretch of speech holds the bytes `mark`."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._heard = bytearray()
        self._found = False
        self.fed = bytearray()

    def feed(self, pcm: bytes) -> Spotted | None:
        self.fed += pcm
        self._heard += pcm
        position = -1 if self._found else self._heard.find(self._mark)
        if position < 0:
            return None
        self._found = True
        return Spotted(position / _BYTES_PER_SECOND, (position + len(self._mark)) / _BYTES_PER_SECOND)

    def end(self) -> Spotted | None:
        self._heard.clear()
        self._found = False
        return None
