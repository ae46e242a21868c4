"""What can go wrong with a sample or a source. No message holds any content, nor a file's name.

CaptureError
├── UnreadableMediaError   a file or message that cannot be understood; taking it again will not help
├── TooLargeError          over a stated bound
├── LightError             the capture light cannot be switched on, so nothing may be captured
└── SourceError            a source cannot be opened at all
"""

from __future__ import annotations


class CaptureError(Exception):
    """A sample cannot be had."""


class UnreadableMediaError(CaptureError):
    """What was given is not what it should be, or only a part of it. The message says what would help."""


class TooLargeError(CaptureError):
    """What was given is over a bound; the message says which."""


class LightError(CaptureError):
    """The capture light cannot be switched on."""


class SourceError(CaptureError):
    """A source cannot be opened."""
