"""What no policy can lift, whoever signed it: built into the agent, so that a mistake on a server records nobody."""

from __future__ import annotations

import csv
import datetime as dt
import functools
from collections.abc import Mapping
from importlib import resources

FIRST_DAY = dt.date(2025, 12, 16)
"""Before this day nothing is recorded: wearers had been told that it starts then."""

MINIMUM_AGE_YEARS = 18
"""Nobody younger is recorded."""


@functools.cache
def excluded_regions() -> Mapping[str, str]:
    """The reason for each region where nothing is recorded, by ISO 3166-1 alpha-2 code or another in use for it."""
    text = resources.files(__package__).joinpath("excluded_regions.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {row["code"]: row["reason"] for row in rows}
