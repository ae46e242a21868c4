"""Figures in words."""

from __future__ import annotations

import datetime as dt

SOURCES = {1: "voice", 2: "text", 3: "photo", 4: "video"}
"""Names of the sources, by `InterestSource` number."""

SOURCE_SENTENCES = {
    1: "What you ask the assistant aloud",
    2: "What you type to the assistant",
    3: "Photos you take",
    4: "Videos you take",
}
"""The sources as the wearer knows them."""

STRENGTHS = ("Faint", "Slight", "Clear", "Strong", "Very strong")
_STEPS = (0.5, 1.5, 4.0, 10.0)
"""Scores from which on an interest is slight, clear, strong, very strong. One sure event of today scores 1."""

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def strength_level(score: float) -> int:
    """How strong an interest is, 0 to 4: an index of `STRENGTHS`."""
    return sum(score >= step for step in _STEPS)


def day_text(day: dt.date) -> str:
    """`5 March 2026`, whatever the server's locale."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def short_day_text(day: dt.date) -> str:
    """`5 March`."""
    return f"{day.day} {_MONTHS[day.month - 1]}"


def month_text(day: dt.date) -> str:
    """`Mar`."""
    return _MONTHS[day.month - 1][:3]


def counted(count: int, thing: str) -> str:
    """`1 time`, `3 times`."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def wait_text(seconds: float) -> str:
    """`20 seconds`, `3 minutes`: how long to wait, rounded up."""
    whole = max(1, -int(-seconds // 1))
    return counted(whole, "second") if whole <= 90 else counted(-(-whole // 60), "minute")
