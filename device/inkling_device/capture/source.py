"""The seam of capture: anything that yields samples."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Protocol

from inkling_device.observation import Sample


class Source(Protocol):
    """Yields samples as they come."""

    def samples(self) -> AsyncGenerator[Sample, None]:
        """The samples, until the source has no more; a microphone never has.

        Closing the generator (`contextlib.aclosing`) lets go of the device. Waiting for a sample never blocks the event
        loop. A sample that cannot be read is left out and counted by the source; only a source that cannot work at all
        raises, `CaptureError`. One generator at a time.
        """
        ...


class FakeSource:
    """Yields the samples it was given, and ends; or raises, if it was given an error."""

    def __init__(self, samples: Iterable[Sample], error: Exception | None = None) -> None:
        self._samples: Sequence[Sample] = list(samples)
        self._error = error
        self.opened = 0
        self.closed = 0

    async def samples(self) -> AsyncGenerator[Sample, None]:
        self.opened += 1
        try:
            for sample in self._samples:
                yield sample
            if self._error is not None:
                raise self._error
        finally:
            self.closed += 1
