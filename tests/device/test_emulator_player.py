"""The emulated microphone: what is played arrives whole, in order, and never far ahead of the agent."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from inkling_device.observation import SAMPLE_RATE
from inkling_emulator.player import Player

SECOND = 2 * SAMPLE_RATE


class Hearer:
    """Reads the pipe as the microphone command does, and has heard what it was told to."""

    def __init__(self, pipe: Path) -> None:
        self.pipe = pipe
        self.heard = 0.0
        self.sound = bytearray()

    async def read(self) -> None:
        descriptor = os.open(self.pipe, os.O_RDONLY | os.O_NONBLOCK)
        try:
            while True:
                with contextlib.suppress(BlockingIOError):
                    self.sound += os.read(descriptor, 65_536)
                await asyncio.sleep(0)
        finally:
            os.close(descriptor)


@pytest.fixture
async def playing(tmp_path: Path) -> AsyncIterator[tuple[Player, Hearer]]:
    """A player as fast as it can, and somebody who reads along."""
    hearer = Hearer(tmp_path / "pipe")
    player = Player(hearer.pipe, lambda: hearer.heard, speed=float("inf"))
    tasks = [asyncio.create_task(player.run()), asyncio.create_task(hearer.read())]
    yield player, hearer
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def recording(seconds: float, value: int) -> bytes:
    return np.full(round(seconds * SAMPLE_RATE), value, "<i2").tobytes()


async def test_recordings_arrive_whole_and_in_order(playing: tuple[Player, Hearer]) -> None:
    """Byte by byte, with nothing between those that follow each other."""
    player, hearer = playing
    hearer.heard = 1e9
    first, second = recording(1.03, 1000), recording(0.5, -2000)
    await asyncio.gather(player.play(first), player.play(second))
    await seen(lambda: first + second in hearer.sound)


async def test_the_player_waits_for_the_agent(playing: tuple[Player, Hearer]) -> None:
    """It is three seconds ahead at most, and `play` returns when all of a recording is heard."""
    player, hearer = playing
    play = asyncio.create_task(player.play(recording(10, 1000)))
    await seen(lambda: len(hearer.sound) >= 3 * SECOND)
    for heard in (1.0, 4.0, 7.5):
        hearer.heard = heard
        await seen(lambda: len(hearer.sound) >= (hearer.heard + 2.9) * SECOND)
        assert len(hearer.sound) <= (hearer.heard + 3.1) * SECOND
        assert not play.done()
    hearer.heard = 1e9
    await asyncio.wait_for(play, 10)


async def test_the_room_is_never_digital_silence(playing: tuple[Player, Hearer]) -> None:
    """A faint noise is heard while nothing is played, and after a recording that asks for quiet."""
    player, hearer = playing
    hearer.heard = 1e9
    await player.play(recording(0.5, 1000), then_quiet=1.0)
    await seen(lambda: recording(0.5, 1000) in hearer.sound)
    after = hearer.sound[hearer.sound.index(recording(0.5, 1000)) + SECOND // 2 :]
    await seen(lambda: len(hearer.sound) > SECOND)
    room = np.frombuffer(bytes(after[: SECOND // 2]), "<i2")
    assert 2 < np.abs(room).mean() < 40


async def seen(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
