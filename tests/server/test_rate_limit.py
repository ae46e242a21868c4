"""How fast a pairing may push, by a clock of its own."""

from __future__ import annotations

import pytest

from inkling_server.errors import SlowDown
from inkling_server.rate_limit import RateLimit
from inkling_server.services.sync import Load


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refused(limit: RateLimit, key: str = "a") -> float:
    """Seconds that a refused call is told to wait."""
    with pytest.raises(SlowDown) as refusal:
        limit.take(key)
    return refusal.value.retry_after


def test_a_burst_then_the_steady_rate() -> None:
    """After a rest, `burst` calls pass at once; then one for each interval."""
    clock = HandClock()
    limit = RateLimit(2.0, 5, clock)
    for _ in range(5):
        limit.take("a")
    assert refused(limit) == pytest.approx(0.5)
    assert refused(limit) == pytest.approx(0.5)  # refused calls do not count
    clock.now += 0.5
    limit.take("a")
    assert refused(limit) == pytest.approx(0.5)
    clock.now += 100
    for _ in range(5):
        limit.take("a")
    assert refused(limit) == pytest.approx(0.5)


def test_waiting_as_told_is_enough() -> None:
    """A call that comes when it was told to passes."""
    clock = HandClock()
    limit = RateLimit(3.0, 1, clock)
    limit.take("a")
    clock.now += refused(limit) + 1e-6
    limit.take("a")


def test_keys_do_not_share() -> None:
    """One pairing's haste is not another's."""
    limit = RateLimit(1.0, 1, HandClock())
    limit.take("a")
    limit.take("b")
    refused(limit, "a")


def test_memory_is_bounded_by_those_in_haste() -> None:
    """Keys at rest are forgotten; one that is over its rate is not."""
    clock = HandClock()
    limit = RateLimit(1.0, 3, clock)
    for number in range(10_000):
        limit.take(f"early {number}")
    clock.now += 60
    for _ in range(3):
        limit.take("hasty")
    limit.take("one more")
    assert len(limit._due) <= 2
    refused(limit, "hasty")


def test_load_asks_to_pause_before_it_refuses() -> None:
    """Below busy nothing; from busy on longer and longer pauses, a minute at most; from the maximum on a refusal."""
    load = Load(busy=10, maximum=40)
    assert load.pause(9) == 0
    assert load.pause(10) == 1
    assert load.pause(30) == 3
    assert load.pause(10_000) == 60
    load.admit(39)
    with pytest.raises(SlowDown):
        load.admit(40)
