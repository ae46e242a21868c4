"""How often somebody may call: a pairing that pushes, an address or an account that logs in."""

from __future__ import annotations

import time
from collections.abc import Callable

from inkling_server.errors import SlowDown

_PRUNE_AT = 10_000
"""Keys remembered before those at rest are forgotten."""


class RateLimit:
    """The generic cell rate algorithm (ITU-T I.371): a steady rate with bursts, one number for each key."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1.0 / per_second
        self._tolerance = (burst - 1) * self._interval
        self._clock = clock
        self._due: dict[str, float] = {}
        self._prune_at = _PRUNE_AT

    def take(self, key: str) -> None:
        """Counts one call. Raises `SlowDown` with the time until the next is allowed, and does not count it then."""
        now = self._clock()
        due = max(self._due.get(key, now), now)
        if due - now > self._tolerance:
            raise SlowDown(due - now - self._tolerance)
        self._due[key] = due + self._interval
        if len(self._due) > self._prune_at:
            self._prune(now)

    def _prune(self, now: float) -> None:
        """Forgets the keys at rest, which is to treat them as new; looks again when as many more have come."""
        self._due = {key: due for key, due in self._due.items() if due > now}
        self._prune_at = len(self._due) + _PRUNE_AT
