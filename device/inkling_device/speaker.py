"""Speaks through a command, where one is set."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

log = logging.getLogger(__name__)

LONGEST = 60.0
"""Seconds after which a command that still speaks is ended."""


async def speak(command: Sequence[str], text: str) -> bool:
    """Gives `text` to a command on its standard input and waits for its end. False where it failed: never raises."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        log.warning("the speaker command %s cannot be run: %s", command[0], error.strerror)
        return False
    try:
        async with asyncio.timeout(LONGEST):
            await process.communicate(f"{text}\n".encode())
    except TimeoutError:
        log.warning("the speaker command %s did not end and was stopped", command[0])
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode == 0
