"""The emulated microphone: sound that is played into a pipe, no faster than the agent hears it.

The agent's microphone is a command that writes sound to its standard output. Here it is `cat` of a named pipe, and the
other end of the pipe is played: recordings one after another, and in between a room in which nothing is said.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from inkling_device.observation import SAMPLE_RATE
from inkling_emulator.clock import until

_BYTES_PER_SECOND = 2 * SAMPLE_RATE
_BLOCK_SECONDS = 0.06
_AHEAD_SECONDS = 3.0
"""How far the player is ahead of the agent at most: well below what the agent's microphone buffers."""
_LOOK_SECONDS = 0.005
_ROOM_LEVEL = 8.0
"""Root mean square of the samples of an empty room, -72 dB of full scale: digital silence is heard nowhere."""
_ROOM_SECONDS = 10


class Player:
    """Plays into the pipe for as long as `run` runs."""

    def __init__(self, pipe: Path, heard_seconds: Callable[[], float], *, speed: float) -> None:
        """`heard_seconds` tells how much the agent has heard. `speed` is 1 for real time."""
        self._pipe = pipe
        self._heard_seconds = heard_seconds
        self._speed = speed
        self._recordings: asyncio.Queue[tuple[bytes, asyncio.Future[float]]] = asyncio.Queue()
        self._room = _room()
        self._played = 0
        os.mkfifo(pipe, 0o600)

    @staticmethod
    def command(pipe: Path) -> tuple[str, ...]:
        """The microphone command to set for a player of `pipe`."""
        return ("cat", str(pipe))

    async def play(self, pcm: bytes, *, then_quiet: float = 0.0) -> None:
        """Plays a recording (16-bit mono at `SAMPLE_RATE`), and as many seconds of the empty room.

        Returns when the agent has heard all of it.
        """
        played: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        quiet = self._room[: round(then_quiet * SAMPLE_RATE) * 2]
        self._recordings.put_nowait((pcm + quiet, played))
        end = await played
        await until(lambda: self._heard_seconds() >= end)

    async def run(self) -> None:
        """Plays until cancelled: the recordings at `speed`, the empty room at the pace of real time."""
        # Open for both directions, so that opening waits for no reader and writing never meets a closed pipe.
        descriptor = os.open(self._pipe, os.O_RDWR | os.O_NONBLOCK)
        try:
            while True:
                try:
                    pcm, played = self._recordings.get_nowait()
                except asyncio.QueueEmpty:
                    await self._write(descriptor, self._empty_room(), pace=1.0)
                    continue
                await self._write(descriptor, pcm, pace=self._speed)
                if not played.cancelled():
                    played.set_result(self._played / _BYTES_PER_SECOND)
        finally:
            os.close(descriptor)

    def _empty_room(self) -> bytes:
        start = self._played % (len(self._room) // 2) & ~1
        return self._room[start : start + round(_BLOCK_SECONDS * SAMPLE_RATE) * 2]

    async def _write(self, descriptor: int, pcm: bytes, *, pace: float) -> None:
        block = round(_BLOCK_SECONDS * SAMPLE_RATE) * 2
        for start in range(0, len(pcm), block):
            await self._write_block(descriptor, pcm[start : start + block])
            await asyncio.sleep(_BLOCK_SECONDS / pace)

    async def _write_block(self, descriptor: int, block: bytes) -> None:
        await until(lambda: self._played / _BYTES_PER_SECOND - self._heard_seconds() <= _AHEAD_SECONDS)
        while block:
            with contextlib.suppress(BlockingIOError):
                written = os.write(descriptor, block)
                self._played += written
                block = block[written:]
                continue
            await asyncio.sleep(_LOOK_SECONDS)


def _room() -> bytes:
    samples = np.random.default_rng(0).normal(0, _ROOM_LEVEL, _ROOM_SECONDS * SAMPLE_RATE)
    return samples.astype("<i2").tobytes()
