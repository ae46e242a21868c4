"""Time as a parameter, and as the server tells it.

Small machines start without a clock of their own, and clocks jump. Once the server has told the time, the agent's time
goes on from there by the monotonic clock, whatever the system's clock does.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """The time in UTC, the time that passes, and waiting."""

    def now(self) -> dt.datetime:
        """The time in UTC, the best that is known."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back, whatever `now` does."""
        ...

    def learn(self, time: dt.datetime) -> None:
        """Takes over what a trusted source says the time is: `now` goes on from it."""
        ...

    def not_before(self, time: dt.datetime) -> None:
        """Says that it cannot be earlier than `time`: a clock that is behind goes on from it."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after `seconds` of `monotonic`."""
        ...


class SystemClock:
    """The machine's clock until something better is known."""

    def __init__(self) -> None:
        self._offset: dt.timedelta | None = None

    def now(self) -> dt.datetime:
        if self._offset is None:
            return dt.datetime.now(dt.UTC)
        return _EPOCH + dt.timedelta(seconds=self.monotonic()) + self._offset

    def monotonic(self) -> float:
        # Unlike CLOCK_MONOTONIC it goes on while the machine is suspended.
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def learn(self, time: dt.datetime) -> None:
        self._offset = time - _EPOCH - dt.timedelta(seconds=self.monotonic())

    def not_before(self, time: dt.datetime) -> None:
        if self.now() < time:
            self.learn(time)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until it is told otherwise, for tests and replays."""

    def __init__(self, now: dt.datetime) -> None:
        self._system = now
        self._monotonic = 0.0
        self._corrected = False
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._asleep = asyncio.Event()

    def now(self) -> dt.datetime:
        return self._system

    def monotonic(self) -> float:
        return self._monotonic

    def learn(self, time: dt.datetime) -> None:
        self._system = time
        self._corrected = True

    def not_before(self, time: dt.datetime) -> None:
        if self._system < time:
            self.learn(time)

    def jump(self, system_time: dt.datetime) -> None:
        """Sets the system's clock, as a person or a time server would; of no effect once the time was learnt."""
        if not self._corrected:
            self._system = system_time

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = (self._monotonic + seconds, woken)
        self._sleepers.append(sleeper)
        self._asleep.set()
        try:
            await woken
        finally:
            self._sleepers.remove(sleeper)

    def advance(self, seconds: float) -> None:
        """Lets time pass, and wakes who has slept long enough."""
        self._system += dt.timedelta(seconds=seconds)
        self._monotonic += seconds
        for deadline, woken in self._sleepers:
            if deadline <= self._monotonic and not woken.done():
                woken.set_result(None)

    async def until_asleep(self) -> float:
        """Waits until somebody sleeps; gives the seconds until the first of them wakes."""
        while not (waiting := [deadline for deadline, woken in self._sleepers if not woken.done()]):
            self._asleep.clear()
            await self._asleep.wait()
        return min(waiting) - self._monotonic


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
