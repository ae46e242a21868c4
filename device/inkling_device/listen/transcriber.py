"""From sound to words: the seam, the fake that ships with it, and Vosk behind it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from inkling_device.listen.engine import vosk
from inkling_device.models.inventory import SPEECH_LANGUAGE
from inkling_device.observation import SAMPLE_RATE, AudioChunk, Utterance

_BLOCK_BYTES = 8_000
"""A quarter of a second at a time, as Vosk's own examples feed files."""

_MOMENT = bytes(2 * SAMPLE_RATE // 100)
SILENCE_BEFORE = bytes(2 * SAMPLE_RATE // 10)
"""Vosk mishears the first word of sound that begins with it: with a tenth of a second before it, 1.6 of 100 words of
synthetic speech more are heard; with half a second, no more than that."""

LIVE_FRAMES_AT_ONCE = 60
"""Spotting the wake phrase takes two thirds of the time that it takes with 20, and answers 0.4 s later. Transcribing
costs the same; one word in two hundred is heard otherwise, for better or worse."""

_WITH_OWN_LANGUAGE = ("--acoustic-scale=0.9", "--lattice-beam=6")
"""The sound counts a little less against the language and against the beam, so that the search goes further: of 400
spoken lines 19.0 % of the words are wrong, not 20.1 %, for a fifth more of processor time; with the beam narrowed along
with it, 19.9 %. More readings of an utterance are compared than the model's own setting, 2, allows:
its confidence tells lines heard well (four words in five, or more) from the others in 87 of 100 pairs, not 82."""


class SpeechModelError(Exception):
    """The speech model cannot be loaded."""


class Transcriber(Protocol):
    """Turns sound that is meant for the assistant into words."""

    def begin(self, leave_out: float = 0.0) -> None:
        """What comes next is a new utterance, whatever came before.

        Words in its first `leave_out` seconds are the wake phrase and not its own. The phrase is heard along, because
        words without the sound before them are misheard.
        """
        ...

    def feed(self, chunk: AudioChunk) -> Utterance | None:
        """Takes the next sound; an utterance if one ended in it. May take as long as the chunk lasts."""
        ...

    def finish(self) -> Utterance | None:
        """The utterance that the sound so far holds, if any, and starts afresh."""
        ...


def load_speech_model(
    folder: Path, *, language: Path | None = SPEECH_LANGUAGE, frames_at_once: int | None = None
) -> vosk.Model:
    """The model in `folder`, about 130 MB of memory; share it between recognizers.

    `language` is what it expects to hear, in place of what it came with, with decoder settings to match; None leaves
    the model as it is.
    `frames_at_once` is how many frames of 10 ms its network computes together; None for the model's own setting, 20.
    `LIVE_FRAMES_AT_ONCE` is for listening all day. Raises `SpeechModelError` if there is no model that Vosk can read.
    """
    vosk.SetLogLevel(-1)  # Vosk writes to standard error whatever the program's logging says
    try:
        with tempfile.TemporaryDirectory(prefix="inkling-speech-") as view:
            _view(folder, Path(view), language, frames_at_once)
            return vosk.Model(view)
    except Exception as error:  # vosk raises nothing more exact
        raise SpeechModelError(
            "the speech model cannot be loaded; delete its folder and run `inkling-device models fetch`;"
            " if that does not help, install the package again"
        ) from error


def _view(folder: Path, view: Path, language: Path | None, frames: int | None) -> None:
    """Makes `view` the model in `folder` with another language and settings: Vosk takes them from no other place."""
    for part in folder.iterdir():
        if part.name not in ("conf", "graph"):
            (view / part.name).symlink_to(part.resolve())
    shutil.copytree(folder / "conf", view / "conf")
    settings = [*(_WITH_OWN_LANGUAGE if language else ()), *([f"--frames-per-chunk={frames}"] if frames else ())]
    with (view / "conf" / "model.conf").open("a", encoding="ascii") as file:
        file.write("\n".join(["", *settings, ""]))
    (view / "graph").mkdir()
    for part in (folder / "graph").iterdir():
        source = language if language and part.name == "Gr.fst" else part
        (view / "graph" / part.name).symlink_to(source.resolve())


class VoskTranscriber:
    """Full decoding with Vosk; its endpoint rules (half a second of silence after words) end an utterance."""

    def __init__(self, model: vosk.Model) -> None:
        self._recognizer = vosk.KaldiRecognizer(model, SAMPLE_RATE)
        self._recognizer.SetWords(True)
        self._fed_bytes = 0
        self._own_words_from = 0.0

    def begin(self, leave_out: float = 0.0) -> None:
        # Vosk adapts to a voice, and mishears the next one for it. It forgets the voice with a final result, which it
        # does not make right after an utterance that it ended itself, but for a moment of silence after that.
        self.feed(AudioChunk(_MOMENT))
        self._recognizer.FinalResult()
        self.feed(AudioChunk(SILENCE_BEFORE))
        # Vosk counts seconds over everything it was ever fed.
        self._own_words_from = self._fed_bytes / (2 * SAMPLE_RATE) + leave_out

    def feed(self, chunk: AudioChunk) -> Utterance | None:
        self._fed_bytes += len(chunk.pcm)
        return self._utterance(self._recognizer.Result()) if self._recognizer.AcceptWaveform(chunk.pcm) else None

    def finish(self) -> Utterance | None:
        return self._utterance(self._recognizer.FinalResult())

    def _utterance(self, result: str) -> Utterance | None:
        heard: Sequence[dict[str, Any]] = json.loads(result).get("result", ())
        words = [word for word in heard if (word["start"] + word["end"]) / 2 >= self._own_words_from]
        if not words:
            return None
        confidence = sum(word["conf"] for word in words) / len(words)
        return Utterance(" ".join(word["word"] for word in words), min(confidence, 1.0))


class FakeTranscriber:
    """Hears what it is told to, in order, one utterance whenever it is asked to finish; keeps the sound it was fed."""

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        self._coming = list(utterances)
        self.fed = bytearray()
        self.left_out = 0.0

    def begin(self, leave_out: float = 0.0) -> None:
        self.left_out = leave_out

    def feed(self, chunk: AudioChunk) -> Utterance | None:
        self.fed += chunk.pcm
        return None

    def finish(self) -> Utterance | None:
        return self._coming.pop(0) if self._coming else None


def transcribe_addressed(transcriber: Transcriber, sound: AudioChunk) -> list[Utterance]:
    """Every utterance of `sound`, all of which is taken as meant for the assistant; nothing is cut away."""
    transcriber.begin()
    blocks = range(0, len(sound.pcm), _BLOCK_BYTES)
    heard = [transcriber.feed(AudioChunk(sound.pcm[start : start + _BLOCK_BYTES])) for start in blocks]
    return [utterance for utterance in [*heard, transcriber.finish()] if utterance is not None]
