"""The topic vocabulary: what an interest event may name, and what it never may.

Topics are the *Interest* and *Purchase Intent* branches of the IAB Tech Lab Audience Taxonomy 1.1
(CC BY 3.0, https://github.com/InteractiveAdvertisingBureau/Taxonomies), by its integer ids.
`withheld.tsv` lists the nodes that no message may carry, each with the reason; a node withholds everything
below it, the two branch roots withhold only themselves.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources

SEGTAX = 4
"""The number of the Audience Taxonomy 1.1 in OpenRTB's `segtax` list (AdCOM 1.0, "Category Taxonomies")."""

_ROOTS = frozenset({206, 752})


@dataclass(frozen=True, slots=True)
class Topic:
    """One node of the taxonomy."""

    id: int
    parent: int | None
    name: str
    """The path from the branch down, as the taxonomy writes it: `Interest | Sports | Walking`."""

    @property
    def label(self) -> str:
        """The last part of the path, for a person to read."""
        return self.name.rpartition(" | ")[2]


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    return csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)


@functools.cache
def taxonomy() -> Mapping[int, Topic]:
    """Every node of both branches, by id."""
    return {
        int(row["id"]): Topic(int(row["id"]), int(row["parent"]) if row["parent"] else None, row["name"])
        for row in _rows("taxonomy.tsv")
    }


@functools.cache
def withheld() -> Mapping[int, str]:
    """The reason for every topic that may never be sent, by id, inherited from the node above where it has one."""
    listed = {int(row["id"]): row["reason"] for row in _rows("withheld.tsv")}
    reasons = dict(listed)
    for topic in taxonomy().values():
        for node in ancestors(topic.id):
            if node in listed and node not in _ROOTS:
                reasons.setdefault(topic.id, listed[node])
    return reasons


@functools.cache
def sendable() -> frozenset[int]:
    """The ids that an interest event may carry."""
    return frozenset(taxonomy().keys() - withheld().keys())


def ancestors(topic: int) -> Iterator[int]:
    """The nodes above `topic`, nearest first, up to the branch's root.

    Raises `KeyError` for an id that is in neither branch.
    """
    node = taxonomy()[topic].parent
    while node is not None:
        yield node
        node = taxonomy()[node].parent
