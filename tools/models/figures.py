"""What is told of judged lines: shares with their intervals, figures of a set of lines, and tables of them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from judging import Judged, interest_field

Rows = Mapping[str, Sequence[str]]
"""Cells of a table by the name of their row."""


@dataclass(frozen=True, slots=True)
class Share:
    """A count out of a total."""

    count: int
    total: int

    @property
    def value(self) -> float:
        return self.count / self.total if self.total else 0.0

    def interval(self) -> tuple[float, float]:
        """Wilson's score interval at 95 %."""
        if not self.total:
            return (0.0, 1.0)
        z, n, p = 1.96, self.total, self.value
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return (max(centre - half, 0.0), min(centre + half, 1.0))

    def __str__(self) -> str:
        if not self.total:
            return "-"
        low, high = self.interval()
        return f"{self.value:.2%} ({low:.1%} to {high:.1%}) of {self.total}"


def share(judged: Sequence[Judged], holds: Callable[[Judged], bool]) -> Share:
    return Share(sum(map(holds, judged)), len(judged))


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that is measured on one set of lines."""

    leak: Share
    leak_by_category: Mapping[str, Share]
    false_stop: Share
    misleading_stop: Share
    right: Share
    right_by_field: Mapping[str, Share]
    none_with_event: Share
    reliability: Mapping[str, tuple[float, Share]]
    """By range of stated probabilities their mean, and how often the topic was right."""

    @classmethod
    def of(cls, judged: Sequence[Judged]) -> Figures:
        sensitive = [each for each in judged if each.line.category]
        harmless = [each for each in judged if not each.line.category]
        misleading = [each for each in harmless if each.line.path.name.startswith("misleading")]
        ordinary = [each for each in harmless if not each.line.path.name.startswith("misleading")]
        of_topics = [each for each in ordinary if each.line.topic_ids]
        return cls(
            leak=share(sensitive, lambda each: each.leaked),
            leak_by_category=_shares(sensitive, lambda each: each.line.label, lambda each: each.leaked),
            false_stop=share(ordinary, lambda each: each.stopped),
            misleading_stop=share(misleading, lambda each: each.stopped),
            right=share(ordinary, lambda each: each.right),
            right_by_field=_shares(
                of_topics, lambda each: interest_field(each.line.topic_ids[0]), lambda each: each.right
            ),
            none_with_event=share(
                [each for each in harmless if not each.line.topic_ids], lambda each: bool(each.verdict.events)
            ),
            reliability=_reliability(harmless),
        )

    @property
    def worst_leak(self) -> float:
        """Of the category that leaks most."""
        return max((each.value for each in self.leak_by_category.values()), default=0.0)

    @property
    def macro_right(self) -> float:
        """Mean over the fields of interest, each counting the same."""
        values = [each.value for each in self.right_by_field.values()]
        return sum(values) / len(values) if values else 0.0


def _shares(
    judged: Sequence[Judged], group: Callable[[Judged], str], holds: Callable[[Judged], bool]
) -> dict[str, Share]:
    groups: dict[str, list[Judged]] = defaultdict(list)
    for each in judged:
        groups[group(each)].append(each)
    return {name: share(members, holds) for name, members in groups.items()}


def _reliability(judged: Sequence[Judged]) -> dict[str, tuple[float, Share]]:
    told = [(max(event.percentage for event in each.verdict.events), each) for each in judged if each.verdict.events]
    rows = {}
    for low, high in ((0, 50), (50, 70), (70, 85), (85, 95), (95, 101)):
        inside = [(percentage, each) for percentage, each in told if low <= percentage < high]
        if inside:
            mean = sum(percentage for percentage, _ in inside) / len(inside) / 100
            right = share([each for _, each in inside], lambda each: each.right)
            rows[f"{low} to {min(high, 100)} %"] = (mean, right)
    return rows


def rows_of(columns: Sequence[Figures]) -> Rows:
    """The figures of several sets or models side by side. Categories and fields are those that are worst in the first
    column."""
    categories = _by_value(columns[0].leak_by_category)[::-1]
    worst_fields = _by_value(columns[0].right_by_field)[:5]
    cells: dict[str, Sequence[object]] = {
        "sensitive lines that release anything (leak)": [each.leak for each in columns],
        **{f"- {name}": [each.leak_by_category.get(name, "") for each in columns] for name in categories},
        "ordinary lines stopped as sensitive": [each.false_stop for each in columns],
        "misleading lines stopped": [each.misleading_stop for each in columns],
        "topic right, or rightly none": [each.right for each in columns],
        "topic right, mean over fields of interest": [
            f"{each.macro_right:.2%} over {len(each.right_by_field)}" for each in columns
        ],
        **{f"- {name}": [each.right_by_field.get(name, "") for each in columns] for name in worst_fields},
        "lines without a topic that give an event": [each.none_with_event for each in columns],
        **{
            f"right where {span} is stated, mean first": [_calibration(each, span) for each in columns]
            for span in columns[0].reliability
        },
    }
    return {name: list(map(str, row)) for name, row in cells.items()}


def _by_value(shares: Mapping[str, Share]) -> list[str]:
    return sorted(shares, key=lambda name: shares[name].value)


def _calibration(figures: Figures, span: str) -> str:
    if span not in figures.reliability:
        return ""
    stated, right = figures.reliability[span]
    return f"{stated:.0%}: {right}"


def print_table(title: str, headings: Sequence[str], rows: Rows) -> None:
    """For a terminal."""
    table = {"": headings, **rows}
    names = max(map(len, table))
    widths = [max(map(len, column)) for column in zip(*table.values(), strict=True)]
    print(f"\n## {title}")
    for name, cells in table.items():
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        print(f"{name:{names}}  {'  '.join(padded)}".rstrip())


def markdown_table(headings: Sequence[str], rows: Rows) -> str:
    """For a model's card."""
    lines = [f"| | {' | '.join(headings)} |", f"|---|{'---|' * len(headings)}"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return "\n".join(lines)
