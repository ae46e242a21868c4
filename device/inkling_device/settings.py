"""What can be set: a key of the TOML file, or the variable `INKLING_DEVICE_` and the key in capitals, which wins."""

from __future__ import annotations

import math
import shlex
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import platformdirs

from inkling_device.errors import SettingsError

PREFIX = "INKLING_DEVICE_"
"""What the variables begin with."""

Command = tuple[str, ...]
"""A program and its arguments, run without a shell; empty for none. One string is split as a shell would."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the agent on the glasses."""

    wake_phrase: ClassVar[str] = "hey glasses"
    """Opens the assistant. Not a setting: the speech model's hits and false hits were measured for this phrase."""

    state_dir: Path = Path(platformdirs.user_state_dir("inkling-device"))
    """Directory of queue, ledger, policy and credentials, for its owner alone."""

    server: str = ""
    """Web address of the server to log in at, such as https://inkling.example."""
    tls_ca_file: Path | None = None
    """PEM file with the certificates to trust instead of the system's."""
    insecure: bool = False
    """Whether to talk to the server without TLS: only for a server on the same machine."""

    microphone: Command = ()
    """Command that writes 16-bit mono sound at 16 kHz to standard output, such as
    arecord -q -t raw -f S16_LE -r 16000 -c 1; without one nothing is heard."""
    camera: str = ""
    """What OpenCV opens as the camera: device number or path, HTTP address, or file; without one nothing is seen."""
    watched_folder: Path | None = None
    """Folder in which new photos and clips are looked at."""
    message_socket: Path | None = None
    """Unix socket on which an app posts what was typed to the assistant."""
    light_file: Path | None = None
    """GPIO value file of the capture light, into which 1 and 0 are written."""
    light_command: Command = ()
    """Command that switches the capture light: it gets on or off as its last argument."""
    speaker: Command = ()
    """Command that speaks what it reads from standard input, such as espeak-ng --stdin."""
    battery_file: Path | None = None
    """File that holds the battery's charge in percent, as under /sys/class/power_supply."""

    outbox_bytes: int = 4 * 1024 * 1024
    """Room for events that wait to be sent; when it is used up, the oldest give way."""
    outbox_days: int = 90
    """Events that could not be sent for so many days are dropped."""
    gather_seconds: float = 20.0
    """How long to gather events into a batch before it is sent: fewer, fuller batches spare battery and bytes."""
    log_level: str = "INFO"
    """Least level that is logged: DEBUG, INFO, WARNING or ERROR."""


def default_file() -> Path:
    """The file that is read where no other is named."""
    return Path(platformdirs.user_config_dir("inkling-device")) / "device.toml"


def load(environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """Settings from a TOML file and the environment.

    Without `file` the default one is read where it exists. Raises `SettingsError` for a file that cannot be read, an
    unknown key, and a value of the wrong type or that makes no sense.
    """
    values = _from_file(file) if file or default_file().exists() else {}
    values |= _from_environment(environment)
    return _checked(Settings(**values))


def _from_file(file: Path | None) -> dict[str, Any]:
    path = file or default_file()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    return {key: _taken(f"{path}: {key}", _kind(key, f"{path}: {key}"), value) for key, value in content.items()}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        if variable.startswith(PREFIX):
            key = variable.removeprefix(PREFIX).lower()
            kind = _kind(key, variable)
            values[key] = _taken(variable, kind, _parsed(variable, kind, text))
    return values


def _kind(key: str, place: str) -> object:
    kinds = typing.get_type_hints(Settings)
    known = [field.name for field in fields(Settings)]
    if key not in known:
        raise SettingsError(f"{place} is not a setting; there are {', '.join(known)}")
    return kinds[key]


def _parsed(variable: str, kind: object, text: str) -> object:
    """The text of a variable as TOML would give it."""
    parse = _TEXT_READERS.get(kind, str)
    try:
        return parse(text)
    except (KeyError, ValueError):
        raise SettingsError(f"{variable} cannot be {text!r}: it is {_KIND_NAMES[kind]}") from None


def _taken(place: str, kind: object, value: object) -> object:
    """A value in the type of its field."""
    match kind, value:
        case (_, bool()) if kind is bool:
            return value
        case (_, bool()):
            pass
        case (_, int() | float()) if kind is float:
            return float(value)
        case (_, int()) if kind is int:
            return value
        case (_, str()) if kind is str:
            return value
        case (_, str()) if kind == Command:
            return _split(place, value)
        case (_, list()) if kind == Command and all(isinstance(part, str) for part in value):
            return tuple(value)
        case (_, str()) if isinstance(kind, types.UnionType):
            return Path(value).expanduser() if value else None
        case (_, str()) if kind is Path and value:
            return Path(value).expanduser()
    raise SettingsError(f"{place} cannot be {value!r}: it is {_KIND_NAMES[kind]}")


def _split(place: str, text: str) -> Command:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise SettingsError(f"{place} is not a command: {error}") from None


def _truth(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text.lower()]


_TEXT_READERS: dict[object, Callable[[str], object]] = {bool: _truth, int: int, float: float}

_KIND_NAMES: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
    Path | None: "a path",
    Command: "a command, as one text or a list of texts",
}


def _checked(settings: Settings) -> Settings:
    for name, least in (("outbox_bytes", 64 * 1024), ("outbox_days", 1), ("gather_seconds", 0)):
        value = getattr(settings, name)
        if not (math.isfinite(value) and value >= least):
            raise SettingsError(f"{name} must be at least {least}, not {value}")
    if settings.outbox_days > 540:
        raise SettingsError("outbox_days can be 540 at most: servers take nothing older")
    if settings.log_level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise SettingsError(f"log_level cannot be {settings.log_level!r}: DEBUG, INFO, WARNING or ERROR")
    if settings.light_file and settings.light_command:
        raise SettingsError("set light_file or light_command, not both: there is one capture light")
    _check_server(settings)
    return settings


def _check_server(settings: Settings) -> None:
    if not settings.server:
        return
    address = urlsplit(settings.server)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise SettingsError(f"server cannot be {settings.server!r}: write https://HOST or https://HOST:PORT")
    if address.scheme == "http" and not settings.insecure:
        raise SettingsError("server is an http:// address: write https://, or set insecure if it runs on this machine")
