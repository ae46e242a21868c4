"""What a person at the terminal can put right; the message says how."""

from __future__ import annotations


class EmulatorError(Exception):
    """Anything that the emulator itself raises."""


class DayError(EmulatorError):
    """A day's script that makes no sense; the message names the file, the line and what is allowed."""


class ServerError(EmulatorError):
    """The sync server does not start, or does not answer as one."""


class WearerError(EmulatorError):
    """A page of the server is not what its wearer expects."""
