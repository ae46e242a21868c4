"""A day's script: what happens to a pair of glasses, and when.

    [[input]]
    at = 07:02:00
    say = "media/bread.wav"
    expect = "released Interest | Food & Drink"

Each input has `at`, a local time that never goes back, exactly one of the kinds below, and where it is something to be
understood, as may be, `expect`. A `note` says for the timeline what a person would see.

| kind | value | what happens |
| --- | --- | --- |
| `say` | WAV file | the wearer speaks to the assistant |
| `overheard` | WAV file | somebody near the microphone speaks, not to the assistant |
| `push` | WAV file | the wearer speaks after a press on the push-to-talk button |
| `photo` | JPEG or PNG file | the camera app saves a photo |
| `clip` | MP4 file | the camera app saves a clip |
| `text` | text | the wearer types to the assistant |
| `mute` | true or false | the wearer mutes the microphone, or ends that |
| `network` | "down" or "up" | the glasses lose their network, or have it again |
| `server` | "kill" or "start" | the server is killed with SIGKILL, or started again; for all glasses at once |
| `battery` | 0 to 100 | the charge changes, in percent |

| `expect` | is met when |
| --- | --- |
| `released` | an event leaves, and no rule objects |
| `released TOPIC` | the same, with a topic whose name begins with TOPIC |
| `stopped` | a rule drops it |
| `stopped RULE` | that rule drops it |
| `no topic` | it is understood, nothing leaves, and no rule objects |
| `unheard` | it is not even transcribed |
"""

from __future__ import annotations

import datetime as dt
import enum
import itertools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inkling_emulator.errors import DayError


class Kind(enum.StrEnum):
    """What an input is; its value is the script's key."""

    SAY = "say"
    OVERHEARD = "overheard"
    PUSH = "push"
    PHOTO = "photo"
    CLIP = "clip"
    TEXT = "text"
    MUTE = "mute"
    NETWORK = "network"
    SERVER = "server"
    BATTERY = "battery"


SPOKEN = frozenset({Kind.SAY, Kind.OVERHEARD, Kind.PUSH})
UNDERSTOOD = SPOKEN | {Kind.PHOTO, Kind.CLIP, Kind.TEXT}
"""Kinds that the agent makes something of; the others are what happens around it."""

_SUFFIXES: Mapping[Kind, Sequence[str]] = {
    Kind.SAY: (".wav",),
    Kind.OVERHEARD: (".wav",),
    Kind.PUSH: (".wav",),
    Kind.PHOTO: (".jpg", ".jpeg", ".png"),
    Kind.CLIP: (".mp4",),
}
_WORDS: Mapping[Kind, Sequence[str]] = {Kind.NETWORK: ("down", "up"), Kind.SERVER: ("kill", "start")}
_OTHER_KEYS = ("at", "expect", "note")


class Expected(enum.StrEnum):
    """What should become of an input."""

    RELEASED = "released"
    STOPPED = "stopped"
    NO_TOPIC = "no topic"
    UNHEARD = "unheard"


_DETAILED = frozenset({Expected.RELEASED, Expected.STOPPED})
_EXPECTATIONS = "'released', 'released TOPIC', 'stopped', 'stopped RULE', 'no topic' or 'unheard'"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What should become of an input, and in which way."""

    expected: Expected
    detail: str = ""
    """Beginning of a topic's name for `RELEASED`, a rule's name for `STOPPED`; may be empty."""

    def __str__(self) -> str:
        return f"{self.expected} {self.detail}".strip()


@dataclass(frozen=True, slots=True)
class Input:
    """One thing that happens."""

    line: int
    """Where it stands in the script."""
    at: dt.time
    kind: Kind
    file: Path | None = None
    """Of the kinds that are a file."""
    text: str | None = field(default=None, repr=False)
    """Of `TEXT`."""
    word: str = ""
    """Of `NETWORK` and `SERVER`."""
    muted: bool = False
    """Of `MUTE`."""
    percent: int = 100
    """Of `BATTERY`."""
    note: str = ""
    expectation: Expectation | None = None

    @property
    def seconds(self) -> int:
        """Time of the day in seconds."""
        return self.at.hour * 3600 + self.at.minute * 60 + self.at.second


@dataclass(frozen=True, slots=True)
class Day:
    """All inputs in their order."""

    path: Path
    inputs: Sequence[Input]

    def stretches(self) -> Sequence[Sequence[Input]]:
        """The inputs in runs that end before and after each server input, which concerns all glasses at once."""
        runs: list[list[Input]] = [[]]
        for item in self.inputs:
            if item.kind is Kind.SERVER:
                runs += [[item], []]
            else:
                runs[-1].append(item)
        return [run for run in runs if run]


def load(path: Path) -> Day:
    """The script in `path`; its files are looked for beside it. Raises `DayError`."""
    try:
        source = path.read_text(encoding="utf-8")
        content = tomllib.loads(source)
    except OSError as error:
        raise DayError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DayError(f"{path} is not TOML: {error}") from error
    unknown = content.keys() - {"input"}
    if unknown:
        raise DayError(f"{path}: {min(unknown)} is not known; a day holds [[input]] tables and nothing else")
    tables = content.get("input", [])
    if not isinstance(tables, list) or not tables:
        raise DayError(f"{path} holds no [[input]]: a day needs one at least")
    places = _Places(path, source)
    return Day(path, _in_order(path, [_Reader(path, places, index).read(table) for index, table in enumerate(tables)]))


class _Places:
    """Where inputs and their keys stand: the TOML reader of the standard library does not tell."""

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._lines = source.splitlines()
        self._starts = [n for n, line in enumerate(self._lines, 1) if re.match(r"\s*\[\[\s*input\s*\]\]", line)]

    def line(self, index: int, key: str | None = None) -> int:
        """Line number of an input's header, or of one of its keys."""
        first = self._starts[index] if index < len(self._starts) else 1
        last = self._starts[index + 1] - 1 if index + 1 < len(self._starts) else len(self._lines)
        for number in range(first, last + 1):
            if key is not None and re.match(rf'\s*"?{re.escape(key)}"?\s*=', self._lines[number - 1]):
                return number
        return first


class _Reader:
    """Reads one table."""

    def __init__(self, path: Path, places: _Places, index: int) -> None:
        self._path = path
        self._places = places
        self._index = index

    def read(self, table: object) -> Input:
        if not isinstance(table, dict):
            raise self._error(None, "an input is a table: write [[input]]")
        kind = self._kind(table)
        at = table.get("at")
        if not isinstance(at, dt.time):
            raise self._error("at", "at is a local time such as 07:30:00")
        note = table.get("note", "")
        if not isinstance(note, str):
            raise self._error("note", "note is a text")
        return Input(
            line=self._places.line(self._index),
            at=at,
            kind=kind,
            note=note,
            expectation=self._expectation(kind, table),
            **self._value(kind, table[kind]),
        )

    def _kind(self, table: Mapping[str, object]) -> Kind:
        known = [kind.value for kind in Kind]
        for key in table:
            if key not in known and key not in _OTHER_KEYS:
                raise self._error(key, f"{key} is not known; there are {', '.join([*_OTHER_KEYS, *known])}")
        kinds = [kind for kind in Kind if kind in table]
        if len(kinds) != 1:
            given = " and ".join(kinds) or "none"
            raise self._error(kinds[-1] if kinds else None, f"an input has one of {', '.join(known)}; here: {given}")
        return kinds[0]

    def _value(self, kind: Kind, value: object) -> dict[str, Any]:
        if kind in _SUFFIXES:
            return {"file": self._file(kind, value)}
        if kind in _WORDS:
            if value not in _WORDS[kind]:
                raise self._error(kind, f"{kind} is {' or '.join(repr(word) for word in _WORDS[kind])}, not {value!r}")
            return {"word": value}
        if kind is Kind.TEXT:
            if not isinstance(value, str) or not value.strip():
                raise self._error(kind, "text is what the wearer types, and not empty")
            return {"text": value}
        if kind is Kind.MUTE:
            if not isinstance(value, bool):
                raise self._error(kind, "mute is true or false")
            return {"muted": value}
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:
            raise self._error(kind, "battery is a whole number of percent, 0 to 100")
        return {"percent": value}

    def _file(self, kind: Kind, value: object) -> Path:
        suffixes = _SUFFIXES[kind]
        if not isinstance(value, str) or Path(value).suffix.lower() not in suffixes:
            raise self._error(kind, f"{kind} is the name of a file that ends with {' or '.join(suffixes)}")
        file = self._path.parent / value
        if not file.is_file():
            raise self._error(kind, f"there is no file {file}")
        return file

    def _expectation(self, kind: Kind, table: Mapping[str, object]) -> Expectation | None:
        if "expect" not in table:
            return None
        if kind not in UNDERSTOOD:
            raise self._error("expect", f"nothing can be expected of {kind}")
        text = table["expect"]
        for expected in Expected:
            if isinstance(text, str) and (text == expected or text.startswith(f"{expected} ")):
                detail = text.removeprefix(expected).strip()
                if not detail or expected in _DETAILED:
                    return Expectation(expected, detail)
        raise self._error("expect", f"expect is {_EXPECTATIONS}")

    def _error(self, key: str | None, sentence: str) -> DayError:
        return DayError(f"{self._path}, line {self._places.line(self._index, key)}: {sentence}")


def _in_order(path: Path, inputs: Sequence[Input]) -> Sequence[Input]:
    server_up = True
    for earlier, later in itertools.pairwise(inputs):
        if later.at < earlier.at:
            raise DayError(f"{path}, line {later.line}: {later.at} is before {earlier.at} of the input above it")
    for item in inputs:
        if item.kind is Kind.SERVER:
            if server_up == (item.word == "start"):
                state = "runs already" if server_up else "is not running"
                raise DayError(f"{path}, line {item.line}: server = {item.word!r}, but it {state}")
            server_up = item.word == "start"
    if not server_up:
        raise DayError(f"{path} ends with the server killed; start it again, or nothing can be read back")
    return inputs
