"""Ways of hiding what a line is about, tried against the guard: `data/evasions.tsv`.

Its columns are `kind`, `label` (as in lines.py) and `text`; characters that cannot be seen are written as `\\u` and
four figures. Each kind has lines of the sensitive categories, and harmless ones in the same disguise.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import lines as written
from figures import Rows, Share, share
from judging import Judged, judge

from inkling_device.pipeline import Pipeline

EVASIONS = Path(__file__).parent / "data/evasions.tsv"
HEADINGS = ("sensitive released", "sensitive stopped", "harmless stopped")
"""A sensitive line may be neither released nor stopped: nothing was made of it."""
_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")


def read() -> Mapping[str, Sequence[written.Line]]:
    """The lines by the kind of their disguise. Raises `ValueError` for a label that is none."""
    kinds: dict[str, list[written.Line]] = defaultdict(list)
    content = (row for row in EVASIONS.read_text(encoding="utf-8").splitlines() if not row.startswith("#"))
    for number, row in enumerate(csv.DictReader(content, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
        text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), row["text"])
        line = written.Line(EVASIONS, number, row["label"], text)
        if fault := line.label_fault():
            raise ValueError(f"{EVASIONS.name}, line {number} below the heading: {fault}")
        kinds[row["kind"]].append(line)
    return kinds


def judged_by_kind(pipeline: Pipeline) -> Mapping[str, Sequence[Judged]]:
    return {kind: judge(lines, pipeline) for kind, lines in read().items()}


def leaked(judged: Sequence[Judged]) -> Share:
    """Of the sensitive lines those that released anything."""
    return share([each for each in judged if each.line.category], lambda each: each.leaked)


def caught(judged: Sequence[Judged]) -> Share:
    """Of the sensitive lines those that the guard took for sensitive."""
    return share([each for each in judged if each.line.category], lambda each: each.stopped)


def stopped(judged: Sequence[Judged]) -> Share:
    """Of the harmless lines those that the guard took for sensitive."""
    return share([each for each in judged if not each.line.category], lambda each: each.stopped)


def rows_of(columns: Sequence[Mapping[str, Sequence[Judged]]]) -> Rows:
    """Three cells for each model, by kind, and all kinds together at the end."""
    everything = [[each for judged in kinds.values() for each in judged] for kinds in columns]
    rows = {kind.replace("_", " "): _cells([kinds[kind] for kinds in columns]) for kind in columns[0]}
    return rows | {"all": _cells(everything)}


def _cells(columns: Sequence[Sequence[Judged]]) -> list[str]:
    return [
        f"{counted.count} of {counted.total}" if counted.total else "-"
        for judged in columns
        for counted in (leaked(judged), caught(judged), stopped(judged))
    ]
