"""How long to wait before a source that ended is started again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubles from `first` to `longest` seconds; a source that ran for `steady` seconds starts over at `first`."""

    first: float = 0.5
    longest: float = 30.0
    steady: float = 10.0

    def after(self, failures: int) -> float:
        """Seconds to wait after the `failures`-th end in a row, counted from 1."""
        return min(self.first * 2.0 ** min(failures - 1, 30), self.longest)


class Restarts:
    """Counts how often a source ended, and says how long to wait each time."""

    def __init__(self, backoff: Backoff, monotonic: Callable[[], float]) -> None:
        self._backoff = backoff
        self._monotonic = monotonic
        self._in_a_row = 0
        self._started = 0.0
        self.count = 0
        """Ends since the beginning."""

    def started(self) -> None:
        self._started = self._monotonic()

    def ended(self) -> float:
        """Notes that the source ended, and gives the seconds to wait before it is started again."""
        self.count += 1
        ran = self._monotonic() - self._started
        self._in_a_row = 1 if ran >= self._backoff.steady else self._in_a_row + 1
        return self._backoff.after(self._in_a_row)
