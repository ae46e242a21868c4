"""Time inside emulated glasses: the calendar is the real one, but what they wait for passes faster."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable

_LOOK_SECONDS = 0.005


class QuickClock:
    """A `Clock` of the agent whose waits, back-offs and intervals take `scale` times less."""

    def __init__(self, scale: float) -> None:
        self._scale = scale
        self._offset = dt.timedelta()

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self._offset

    def monotonic(self) -> float:
        return time.monotonic() * self._scale

    def learn(self, time: dt.datetime) -> None:
        self._offset = time - dt.datetime.now(dt.UTC)

    def not_before(self, time: dt.datetime) -> None:
        if self.now() < time:
            self.learn(time)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0) / self._scale)


async def until(condition: Callable[[], object]) -> None:
    """Returns when `condition` holds, for what nobody tells: it is looked at often."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)
