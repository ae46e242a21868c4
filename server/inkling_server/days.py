"""Days and weeks as the stored profile counts them, and the clocks that tell them.

A day is the number of days since 1970-01-01, a week that number divided by 7: its first day is a Thursday.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

Clock = Callable[[], dt.datetime]
"""Tells the time in UTC; a parameter wherever time matters, so that tests decide what day it is."""

_EPOCH = dt.date(1970, 1, 1).toordinal()
SECONDS_A_DAY = 86_400
DAYS_A_WEEK = 7


def utc_now() -> dt.datetime:
    """The system's clock."""
    return dt.datetime.now(dt.UTC)


def day_number(day: dt.date) -> int:
    """Days since 1970-01-01 of a date, or of a time in UTC."""
    return day.toordinal() - _EPOCH


def date_of(day: int) -> dt.date:
    """The date that is `day` days after 1970-01-01."""
    return dt.date.fromordinal(day + _EPOCH)
