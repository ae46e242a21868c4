"""What each of the tagger's 1,000 classes means: topics, nothing, or something sensitive.

`tag_topics.tsv` has one row a class, judged one by one: `index`, `label`, `meaning` (topic ids with commas between
them, `none`, or `sensitive:` and a category), and `reason` where the meaning is not plain.
"""

from __future__ import annotations

import csv
import functools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from inkling import topics as vocabulary
from inkling_device.observation import Sight, TopicScore

AGREEMENT = 0.5
"""Share of the tagger's whole probability that must be on tags of one topic. Over one half, no two topics can be named
that no tag has in common: tags that disagree give none."""

_SENSITIVE = "sensitive:"


@dataclass(frozen=True, slots=True)
class TagMeaning:
    """What one class of the tagger stands for."""

    index: int
    label: str
    topics: tuple[int, ...]
    """Sendable topics of the Audience Taxonomy; empty if it stands for none."""
    sensitive: str | None
    """Sensitive category, `children` or `weapons`; None if it is harmless."""
    reason: str
    """Why, where it is not plain."""


@functools.cache
def tag_meanings() -> Sequence[TagMeaning]:
    """The meanings of all classes, by their index."""
    text = resources.files(__package__).joinpath("tag_topics.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [_meaning(row) for row in rows]


def topics_of(sight: Sight, agreement: float = AGREEMENT) -> Sequence[TopicScore]:
    """The topics that a picture is about, the most probable first.

    A topic's probability is the sum over the tags that stand for it or for a topic below it. Topics from `agreement` on
    are named, of them those that have none named below them. A picture with a face in it gives none.
    """
    if sight.faces:
        return []
    sums: defaultdict[int, float] = defaultdict(float)
    for tag in sight.tags:
        for topic in _with_ancestors(tag_meanings()[tag.index].topics):
            sums[topic] += tag.probability
    agreed = {topic for topic, probability in sums.items() if probability >= agreement}
    implied = {node for topic in agreed for node in vocabulary.ancestors(topic)}
    probabilities = {topic: min(sums[topic], 1.0) for topic in agreed - implied}
    named = [TopicScore(topic, probability, probability) for topic, probability in probabilities.items()]
    return sorted(named, key=lambda score: (-score.probability, score.topic))


@functools.cache
def _with_ancestors(topics: tuple[int, ...]) -> frozenset[int]:
    """`topics` and what is above them, as far as it may be sent: the branches' roots may not."""
    chains = {node for topic in topics for node in (topic, *vocabulary.ancestors(topic))}
    return frozenset(chains & vocabulary.sendable())


def _meaning(row: dict[str, str]) -> TagMeaning:
    meaning = row["meaning"]
    sensitive = meaning.removeprefix(_SENSITIVE) if meaning.startswith(_SENSITIVE) else None
    plain = meaning == "none" or sensitive is not None
    topics = () if plain else tuple(int(topic) for topic in meaning.split(","))
    return TagMeaning(int(row["index"]), row["label"], topics, sensitive, row["reason"] or "")
