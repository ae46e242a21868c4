"""A microphone: any command that writes 16-bit 16 kHz mono PCM to its standard output."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence

from inkling_device.capture.backoff import Backoff, Restarts
from inkling_device.capture.buffer import ThreadBuffer
from inkling_device.observation import SAMPLE_RATE, AudioChunk

ARECORD = ("arecord", "-q", "-t", "raw", "-f", "S16_LE", "-r", str(SAMPLE_RATE), "-c", "1")
"""The microphone of a Raspberry Pi, by ALSA."""

CHUNK_SECONDS = 0.12
"""Short against an utterance, long against the cost of handing it over."""
_CHUNK_BYTES = round(CHUNK_SECONDS * SAMPLE_RATE) * 2

_log = logging.getLogger(__name__)


class Microphone:
    """Reads the command in a thread of its own, so that a busy decoder loses nothing for `buffer_seconds`.

    When more than that waits, the oldest sound gives way and is counted. When the command ends, or cannot be started,
    it is started again after a pause; the microphone itself never ends.
    """

    def __init__(
        self,
        command: Sequence[str] = ARECORD,
        *,
        buffer_seconds: float = 8.0,
        backoff: Backoff | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command = list(command)
        self._capacity = max(round(buffer_seconds / CHUNK_SECONDS), 1)
        self._restarts = Restarts(backoff or Backoff(), monotonic)
        self._buffer: ThreadBuffer[AudioChunk] | None = None

    @property
    def lost_seconds(self) -> float:
        """Sound that came while the buffer was full, since the samples were last opened."""
        return self._buffer.lost * CHUNK_SECONDS if self._buffer else 0.0

    @property
    def restarts(self) -> int:
        """How often the command ended or could not be started."""
        return self._restarts.count

    async def samples(self) -> AsyncGenerator[AudioChunk, None]:
        self._buffer = buffer = ThreadBuffer[AudioChunk](self._capacity)
        reader = _Reader(self._command, buffer, self._restarts)
        reader.start()
        try:
            while True:
                yield await buffer.get()
        finally:
            reader.stop()


class _Reader(threading.Thread):
    def __init__(self, command: Sequence[str], buffer: ThreadBuffer[AudioChunk], restarts: Restarts) -> None:
        super().__init__(name="microphone", daemon=True)
        self._command = command
        self._buffer = buffer
        self._restarts = restarts
        self._stopped = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()

    def run(self) -> None:
        while not self._stopped.is_set():
            self._restarts.started()
            reason = self._read_until_it_ends()
            pause = self._restarts.ended()
            if not self._stopped.is_set():
                _log.warning("the microphone command %s; starting it again in %.1f s", reason, pause)
                self._stopped.wait(pause)

    def stop(self) -> None:
        """Ends the command; the thread ends by itself."""
        with self._starting:
            self._stopped.set()
            process = self._process
        if process is not None:
            process.kill()

    def _read_until_it_ends(self) -> str:
        try:
            with self._starting:
                if self._stopped.is_set():
                    return "was stopped"
                self._process = process = subprocess.Popen(  # noqa: S603 - the wearer's own setting, no shell
                    self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
        except OSError as error:
            return f"cannot be started ({error.strerror})"
        with process:
            assert process.stdout is not None
            while chunk := process.stdout.read(_CHUNK_BYTES):
                self._buffer.put(AudioChunk(chunk[: len(chunk) & ~1]))
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # one that closed its output and goes on would keep the device
        return f"ended with exit code {process.returncode}"
