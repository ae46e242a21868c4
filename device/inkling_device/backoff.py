"""How long to wait after failures: exponential back-off with full jitter.

The rule is that of "Exponential Backoff And Jitter" (Marc Brooker, AWS Architecture Blog, 2015): uniformly between 0
and `min(cap, base * 2 ** attempt)`, so that glasses that failed together do not come back together.
"""

from __future__ import annotations

from typing import Protocol

BASE = 1.0
"""Seconds of the first window."""
CAP = 300.0
"""Seconds of the widest window."""


class Jitter(Protocol):
    """Draws numbers, as `random.Random` does."""

    def uniform(self, low: float, high: float, /) -> float: ...


class Backoff:
    """Counts failures in a row."""

    def __init__(self, jitter: Jitter) -> None:
        self._jitter = jitter
        self._attempt = 0

    def failed(self) -> float:
        """Seconds to wait after one more failure."""
        window = min(CAP, BASE * 2.0**self._attempt)
        self._attempt = min(self._attempt + 1, 16)
        return self._jitter.uniform(0, window)

    def after_refusal(self) -> float:
        """Seconds to wait where trying soon is of no use: up to `CAP`, and at least half of it."""
        return self._jitter.uniform(CAP / 2, CAP)

    def jittered(self, seconds: float) -> float:
        """At least `seconds`, and up to a tenth more, so that those who were told the same do not come together."""
        return seconds * self._jitter.uniform(1.0, 1.1)

    def reset(self) -> None:
        """The next failure counts as the first."""
        self._attempt = 0
