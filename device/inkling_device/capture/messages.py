"""A local socket on which an app on the glasses posts typed messages, and presses the buttons.

One message a line, at most 64 KiB: plain text, or JSON, `{"text": "..."}` for a message and
`{"command": "push-to-talk" | "mute" | "unmute" | "take-picture"}` for a button. Each line is answered with one:
`{"ok": true}`, or `{"ok": false, "error": "..."}`, which never repeats what was sent. `ok` says that a message waits to
be understood; what still waits when the agent stops is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path

from inkling_device.capture.errors import SourceError, TooLargeError, UnreadableMediaError
from inkling_device.observation import Message

LONGEST_MESSAGE = 64 * 1024
"""Bytes of a line without its end."""
_WAITING = 64
"""Messages that may wait to be understood; the next is refused."""

Buttons = Mapping[str, Callable[[], None]]
"""What to call for each command. They must not block."""


class MessageSocket:
    """Listens on a Unix socket that only the wearer's own user can open."""

    def __init__(self, path: Path, buttons: Buttons | None = None) -> None:
        self._path = path
        self._buttons = buttons or {}
        self._waiting: asyncio.Queue[Message] = asyncio.Queue(_WAITING)
        self._named = False
        self._reading = False
        self._connected: set[asyncio.StreamWriter] = set()

    async def samples(self) -> AsyncGenerator[Message, None]:
        """Raises `SourceError` if the socket cannot be made, or another agent has it.

        At the end every connection is closed: nobody would read what it still sends.
        """
        server: asyncio.Server | None = None
        self._waiting = asyncio.Queue(_WAITING)
        try:
            listening = await asyncio.to_thread(self._listen)
            self._reading = True
            server = await asyncio.start_unix_server(self._serve, sock=listening, limit=LONGEST_MESSAGE + 2)
            while True:
                yield await self._waiting.get()
        finally:
            self._reading = False
            if server is not None:
                server.close()
            for writer in self._connected:
                writer.close()
            if self._named:
                self._named = False
                self._path.unlink(missing_ok=True)

    def _listen(self) -> socket.socket:
        listening = socket.socket(socket.AF_UNIX)
        try:
            os.fchmod(listening.fileno(), 0o600)  # before it has a name: nobody else can ever open it
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._remove_stale()
            # It gets its name when it already listens: whoever sees the socket can connect to it.
            unnamed = self._path.with_name(f".{self._path.name}.new")
            unnamed.unlink(missing_ok=True)
            listening.bind(str(unnamed))
            listening.listen()
            self._named = True
            unnamed.rename(self._path)
        except OSError as error:
            listening.close()
            raise SourceError(
                f"the message socket {self._path} cannot be made ({error.strerror or error}); choose another path"
            ) from error
        return listening

    def _remove_stale(self) -> None:
        """A socket that nobody listens on is left over from a killed agent."""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            try:
                probe.connect(str(self._path))
            except FileNotFoundError:
                return
            except ConnectionRefusedError:
                if not self._path.is_socket():
                    raise
                self._path.unlink()
                return
        raise OSError("another agent is listening on it")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connected.add(writer)
        with contextlib.suppress(ConnectionError):
            try:
                while (line := await _line(reader)) is not None and self._reading:
                    await _answer(writer, self._take(line))
            except TooLargeError as error:
                await _answer(writer, str(error))
        writer.close()
        self._connected.discard(writer)

    def _take(self, line: bytes) -> str | None:
        """Takes one line; the error, if it was none."""
        try:
            kind, value = _parsed(line)
            if kind == "command":
                return self._press(value)
            self._waiting.put_nowait(Message(value))
        except UnreadableMediaError as error:
            return str(error)
        except asyncio.QueueFull:
            return f"{_WAITING} messages are waiting already; try again in a moment"
        return None

    def _press(self, command: str) -> str | None:
        press = self._buttons.get(command)
        if press is None:
            return f"no such command; there are {', '.join(sorted(self._buttons)) or 'none'}"
        press()
        return None


async def _line(reader: asyncio.StreamReader) -> bytes | None:
    """The next line without its end; None when the app has closed. Raises `TooLargeError`."""
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        line = error.partial
        if not line:
            return None
    except asyncio.LimitOverrunError:
        line = b"\0" * (LONGEST_MESSAGE + 1)
    line = line.rstrip(b"\r\n")
    if len(line) > LONGEST_MESSAGE:
        raise TooLargeError(f"a message may be {LONGEST_MESSAGE} bytes long; the connection is closed")
    return line


async def _answer(writer: asyncio.StreamWriter, error: str | None) -> None:
    answer = {"ok": True} if error is None else {"ok": False, "error": error}
    writer.write(json.dumps(answer).encode() + b"\n")
    await writer.drain()


def _parsed(line: bytes) -> tuple[str, str]:
    """`text` or `command`, and its value."""
    try:
        text = line.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise UnreadableMediaError("the message is not UTF-8") from None
    if text.startswith("{"):
        try:
            fields = json.loads(text)
            json.dumps(fields, ensure_ascii=False).encode()  # JSON can spell half characters that are not text
        except (ValueError, RecursionError):
            raise UnreadableMediaError("the message begins like JSON and is none") from None
        for kind in ("text", "command"):
            if fields.keys() == {kind} and isinstance(fields[kind], str) and fields[kind].strip():
                return kind, fields[kind].strip()
        raise UnreadableMediaError('a JSON message holds either "text" or "command", and nothing else')
    if not text:
        raise UnreadableMediaError("the message is empty")
    return "text", text
