"""The battery's charge, and waiting while it is low: pictures can wait, speech cannot."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

RESERVE_PERCENT = 15
"""Below this, photos and clips wait; they stay where they are and are looked at after charging."""
_LOOK_EVERY_SECONDS = 5.0

log = logging.getLogger(__name__)


class Battery:
    """Reads the charge from a file of the kernel; without a file the charge is taken as full."""

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def percent(self) -> int:
        """The charge, 0 to 100; 100 where it cannot be read."""
        if self._file is None:
            return 100
        try:
            return int(self._file.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            log.warning("the battery's charge cannot be read (%s); taken as full", type(error).__name__)
            return 100

    async def enough(self) -> None:
        """Returns when the charge is above the reserve."""
        while self.percent() < RESERVE_PERCENT:  # noqa: ASYNC110 - the kernel tells nobody when the charge changes
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
