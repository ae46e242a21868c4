"""Bars over the weeks, as numbers for an inline SVG, and what they show as a sentence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inkling_server.days import DAYS_A_WEEK, date_of, day_number
from inkling_server.web.words import counted, month_text, short_day_text

WEEKS = 26
"""Half a year: what came before has faded to a quarter or less under the default half-life."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One week."""

    x: float
    y: float
    height: float
    empty: bool
    """Nothing was noticed: drawn as a mark on the base line."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The last `WEEKS` weeks, the present one at the right end."""

    bars: tuple[Bar, ...]
    width: float
    height: float
    bar_width: float
    months: tuple[tuple[float, str], ...]
    """Where on the base line a month begins, and its name."""
    text: str
    """What the chart shows."""


def chart(
    history: Iterable[tuple[dt.date, int]], today: dt.date, *, step: float, height: float, highest: int = 1
) -> Chart:
    """The chart of (first day of a week, count); `step` from bar to bar and `height` in SVG units.

    `highest` is the count that reaches the top, for charts that are to be compared; more than that grows the scale.
    """
    counts = {day_number(day) // DAYS_A_WEEK: count for day, count in history}
    last = day_number(today) // DAYS_A_WEEK
    weeks = range(last - WEEKS + 1, last + 1)
    highest = max(highest, *(counts.get(week, 0) for week in weeks))
    return Chart(
        bars=tuple(_bar(place * step, counts.get(week, 0), highest, height) for place, week in enumerate(weeks)),
        width=WEEKS * step,
        height=height,
        bar_width=round(step * 0.7, 2),
        months=tuple(_months(weeks, step)),
        text=_text(counts, weeks),
    )


def together(histories: Iterable[Iterable[tuple[dt.date, int]]]) -> list[tuple[dt.date, int]]:
    """Several histories added up, oldest week first."""
    counts: dict[dt.date, int] = {}
    for history in histories:
        for day, count in history:
            counts[day] = counts.get(day, 0) + count
    return sorted(counts.items())


_MARK = 1.5
"""Height of the mark of an empty week, and the least that a bar has."""


def _bar(x: float, count: int, highest: int, height: float) -> Bar:
    tall = max(_MARK * 2, count / highest * height) if count else _MARK
    return Bar(round(x, 2), round(height - tall, 2), round(tall, 2), not count)


def _months(weeks: range, step: float) -> Iterable[tuple[float, str]]:
    for place, week in enumerate(weeks):
        first, before = date_of(week * DAYS_A_WEEK), date_of((week - 1) * DAYS_A_WEEK)
        # Not in the last two places, where the name would be cut off.
        if first.month != before.month and place < WEEKS - 2:
            yield round(place * step, 2), month_text(first)


def _text(counts: Mapping[int, int], weeks: range) -> str:
    shown = {week: counts[week] for week in weeks if week in counts}
    earlier = sum(count for week, count in counts.items() if week < weeks.start)
    sentences = []
    if shown:
        best = max(shown, key=lambda week: (shown[week], week))
        total = counted(sum(shown.values()), "time")
        sentences.append(
            f"Noticed {total} in {len(shown)} of the last {WEEKS} weeks, "
            f"most in the week of {short_day_text(date_of(best * DAYS_A_WEEK))} ({counted(shown[best], 'time')})."
        )
    else:
        sentences.append(f"Not noticed in the last {WEEKS} weeks.")
    if earlier:
        sentences.append(f"Before that: {counted(earlier, 'time')}.")
    return " ".join(sentences)
