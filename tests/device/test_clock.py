"""Clocks: the machine's and the fake pass the same tests."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from inkling_device.clock import Clock, ManualClock, SystemClock

SECOND = dt.timedelta(seconds=1)


@pytest.fixture(params=[SystemClock, lambda: ManualClock(dt.datetime.now(dt.UTC))], ids=["system", "manual"])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def is_about(clock: Clock, time: dt.datetime) -> bool:
    return time <= clock.now() < time + 60 * SECOND


def test_time_is_in_utc_and_does_not_go_back(clock: Clock) -> None:
    assert clock.now().utcoffset() == dt.timedelta(0)
    assert clock.now() <= clock.now()
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.parametrize("days", [-20_000, 3, 20_000])
def test_time_that_was_learnt_goes_on_from_there(clock: Clock, days: int) -> None:
    told = clock.now() + dt.timedelta(days=days)
    clock.learn(told)
    assert is_about(clock, told)
    clock.learn(told - dt.timedelta(days=1))
    assert is_about(clock, told - dt.timedelta(days=1))


def test_a_clock_that_is_behind_goes_on_from_the_earliest_time_possible(clock: Clock) -> None:
    floor = clock.now() + dt.timedelta(days=3)
    clock.not_before(floor)
    assert is_about(clock, floor)


def test_a_clock_that_is_not_behind_stays(clock: Clock) -> None:
    now = clock.now()
    clock.not_before(now - dt.timedelta(days=3))
    assert is_about(clock, now)


async def test_sleeping_no_time_returns(clock: Clock) -> None:
    await clock.sleep(0)
    await clock.sleep(-1)


async def test_sleep_ends_when_the_time_has_passed_and_not_before() -> None:
    clock = ManualClock(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    sleeping = asyncio.create_task(clock.sleep(10))
    assert await clock.until_asleep() == 10
    clock.advance(9)
    await asyncio.sleep(0)
    assert not sleeping.done()
    clock.advance(1)
    await sleeping
    assert clock.now() == dt.datetime(2026, 1, 1, 0, 0, 10, tzinfo=dt.UTC)
    assert clock.monotonic() == 10
