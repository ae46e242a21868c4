"""The regions that a wearer can be at home in: ISO 3166-1, by alpha-2 code, with common English names."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from importlib import resources


@functools.cache
def regions() -> Mapping[str, str]:
    """Names by code, in the order of their names."""
    text = resources.files(__package__).joinpath("regions.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {row["code"]: row["name"] for row in rows}
