"""What would be sent, for lines of text and for media files, with nothing recorded and nothing sent."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.table import Table

from inkling import topics
from inkling_device.capture.errors import CaptureError
from inkling_device.capture.files import read_media
from inkling_device.listen.transcriber import Transcriber, transcribe_addressed
from inkling_device.observation import AudioChunk, Clip, Message, Photo, Source, Utterance
from inkling_device.pipeline import Pipeline
from inkling_device.privacy.guard import Verdict

LONGEST_LINE = 65_536
"""Bytes of the longest text line that is read: what the message socket takes, too."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input."""

    input: str
    source: Source | None = None
    verdict: Verdict = field(default_factory=Verdict)
    words: str | None = field(default=None, repr=False)
    error: str | None = None

    def as_json(self, *, show_words: bool) -> str:
        """One line of JSON; its fields are those of the README's dry-run section."""
        if self.error is not None or self.source is None:
            return json.dumps({"input": self.input, "error": self.error}, ensure_ascii=False)
        objection = self.verdict.objection
        told: dict[str, object] = {
            "input": self.input,
            "kind": self.source.name.lower(),
            "released": [
                {
                    "topic": event.topic,
                    "name": topics.taxonomy()[event.topic].name,
                    "probability": event.percentage / 100,
                }
                for event in self.verdict.events
            ],
            "dropped": objection and {"rule": objection.rule, "category": objection.category},
        }
        if show_words:
            told["words"] = self.words
        return json.dumps(told, ensure_ascii=False)


class DryRun:
    """Runs inputs through the pipeline. `transcriber` is called at the first recording, for its model is large."""

    def __init__(self, pipeline: Pipeline, transcriber: Callable[[], Transcriber]) -> None:
        self._pipeline = pipeline
        self._transcriber = functools.cache(transcriber)

    def text_file(self, name: str, file: BinaryIO) -> Iterator[Outcome]:
        """One outcome for each line."""
        for number, line in enumerate(_lines(file), 1):
            yield self._line(f"{name}:{number}", line)

    def _line(self, name: str, raw: bytes) -> Outcome:
        raw = raw.rstrip(b"\r\n")
        if len(raw) > LONGEST_LINE:
            return Outcome(name, error=f"line is longer than {LONGEST_LINE} bytes; split it")
        try:
            words = raw.decode("utf-8")
        except UnicodeDecodeError:
            return Outcome(name, error="line is not UTF-8; convert the file first")
        return Outcome(name, Source.TEXT, self._pipeline.read(Message(words)), words)

    def media(self, path: Path) -> Outcome:
        """The outcome for one WAV, JPEG, PNG or MP4 file."""
        name = str(path)
        try:
            match read_media(path):
                case AudioChunk() as sound:
                    return self._recording(name, sound)
                case Photo() as photo:
                    return Outcome(name, Source.PHOTO, self._pipeline.look(photo))
                case Clip() as clip:
                    return Outcome(name, Source.VIDEO, self._pipeline.watch(clip))
        except CaptureError as error:
            return Outcome(name, error=str(error))

    def _recording(self, name: str, sound: AudioChunk) -> Outcome:
        """All of a recording as one thing said: one sensitive utterance in it drops the whole."""
        heard = transcribe_addressed(self._transcriber(), sound)
        words = " ".join(utterance.words for utterance in heard)
        if not words:
            return Outcome(name, Source.VOICE, words="")
        weights = [len(utterance.words) for utterance in heard]
        confidences = [utterance.confidence for utterance in heard]
        confidence = sum(map(operator.mul, confidences, weights)) / sum(weights)
        return Outcome(name, Source.VOICE, self._pipeline.hear(Utterance(words, confidence)), words)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of `file`; of an overlong one the beginning alone, for it is refused in any case."""
    while line := file.readline(LONGEST_LINE + 2):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_LINE)
        yield line


def print_json(outcomes: Iterable[Outcome], *, show_words: bool) -> bool:
    """Prints a line for each outcome as it comes; True if every input could be read."""
    readable = True
    for outcome in outcomes:
        print(outcome.as_json(show_words=show_words), flush=True)
        readable = readable and outcome.error is None
    return readable


def print_table(outcomes: Iterable[Outcome], *, show_words: bool) -> bool:
    """The same for a person at a terminal."""
    table = Table(title="What would be sent")
    for heading in ("input", "kind", *(["words"] if show_words else []), "released", "stopped by"):
        table.add_column(heading, overflow="fold")
    readable = True
    for outcome in outcomes:
        readable = readable and outcome.error is None
        table.add_row(*_cells(outcome, show_words=show_words))
    Console().print(table)
    return readable


def _cells(outcome: Outcome, *, show_words: bool) -> Sequence[str]:
    kind = outcome.source.name.lower() if outcome.source else ""
    words = [outcome.words or ""] if show_words else []
    if outcome.error is not None:
        return (outcome.input, kind, *words, "", f"cannot be read: {outcome.error}")
    released = "\n".join(
        f"{topics.taxonomy()[event.topic].name} {event.percentage} %" for event in outcome.verdict.events
    )
    objection = outcome.verdict.objection
    stopped = "" if objection is None else f"{objection.rule}: {objection.category}"
    return (outcome.input, kind, *words, released or "-", stopped)
