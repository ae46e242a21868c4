"""Lines and pictures through the agent's own pipeline, with a policy that allows everything.

The text model is the one that ships, or one in another folder; a keyword list stands beside it for comparison.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import lines as written

from inkling import topics as vocabulary
from inkling_device import tflite
from inkling_device.models.inventory import CALIBRATION, TEXT
from inkling_device.observation import Clip, Message, Observation, Photo, Sight, Source, TopicScore, Utterance
from inkling_device.pipeline import Eyes, Pipeline
from inkling_device.privacy.guard import Guard, Verdict
from inkling_device.privacy.lexicon import LexiconRule
from inkling_device.privacy.rules import Thresholds, standard_rules
from inkling_device.see.tag_topics import topics_of
from inkling_device.understand.classifier import Calibration, EncoderClassifier
from inkling_device.understand.load import load_classifier
from inkling_device.understand.spaces import vocabulary as word_pieces

TextModel = tuple[EncoderClassifier, Calibration]
COMPANION_SHARE = 0.1
"""Of the training lines of a purchase, how many name an interest of a field for that to go with it."""
HARMLESS_RULES = frozenset({"low_confidence", "not_sendable"})
"""Rules whose objection does not mean that the guard took something for sensitive."""


def text_model(folder: Path | None = None) -> TextModel:
    """The text model that ships, or the one in `folder`: its `text_*.tflite` and its `text_model.json`.

    One in a folder is not compared with a known answer, for what is stored is the answer of the one that ships.
    """
    if folder is None:
        return load_classifier()
    calibration = Calibration.load(folder / CALIBRATION.name)
    model = tflite.load(folder / TEXT.path().name)
    return EncoderClassifier(model, word_pieces(), calibration), calibration


def agent_pipeline(
    model: TextModel, *, eyes: Eyes | None = None, rules: Callable[[str], bool] = lambda name: True
) -> Pipeline:
    """The agent's pipeline; `rules` picks the guard's rules by name. Without `eyes` it takes text alone."""
    classifier, calibration = model
    everything = standard_rules(
        thresholds=Thresholds.of(calibration),
        refusal=lambda source: None,
        released_today=lambda: (),
    )
    guard = Guard([rule for rule in everything if rules(rule.name)], today=_today)
    return Pipeline(classifier=classifier, eyes=eyes or _Blind(), topics_of=topics_of, guard=guard)


class _Blind:
    """Stands where the eyes are: lines of text need none."""

    def look(self, photo: Photo) -> Sight:
        raise NotImplementedError

    def watch(self, clip: Clip) -> Sight:
        raise NotImplementedError


def _today() -> dt.date:
    return dt.date(2026, 1, 1)


def is_stopped(verdict: Verdict) -> bool:
    """Whether the guard took it for sensitive."""
    return verdict.objection is not None and verdict.objection.rule not in HARMLESS_RULES


@dataclass(frozen=True, slots=True)
class Judged:
    """A line with what became of it."""

    line: written.Line
    verdict: Verdict

    @property
    def leaked(self) -> bool:
        """Sensitive, and something of it was released."""
        return self.line.category is not None and bool(self.verdict.events)

    @property
    def stopped(self) -> bool:
        return is_stopped(self.verdict)

    @property
    def named(self) -> int | None:
        """The most probable released topic."""
        return max(self.verdict.events, key=lambda event: event.percentage).topic if self.verdict.events else None

    @property
    def right(self) -> bool:
        """The topic named is the line's, or its kin within the second tier; or rightly none is."""
        named = self.named
        if named is None or not self.line.topic_ids:
            return named is None and not self.line.topic_ids
        return any(is_kin(named, topic) for topic in self.line.topic_ids)


def judge(lines: Sequence[written.Line], pipeline: Pipeline) -> list[Judged]:
    """Every line through the pipeline."""
    return [Judged(line, _read(line, pipeline)) for line in lines]


def _read(line: written.Line, pipeline: Pipeline) -> Verdict:
    if line.confidence is None:
        return pipeline.read(Message(line.text))
    return pipeline.hear(Utterance(line.text, line.confidence))


def keyword_baseline(lines: Sequence[written.Line]) -> list[Judged]:
    """What a keyword list does: stops by the lexicons, and names a topic whose label stands in the line."""
    lexicon = LexiconRule.load()
    names = {
        topic.label.lower(): topic.id
        for topic in sorted(vocabulary.taxonomy().values(), key=lambda topic: -topic.id)
        if topic.id in vocabulary.sendable()
    }

    def observe(text: str) -> Observation:
        words = re.findall(r"[\w']+", text.lower())
        runs = [" ".join(words[i : i + n]) for n in (3, 2, 1) for i in range(len(words) - n + 1)]
        found = next((names[run] for run in runs if run in names), None)
        return Observation(Source.TEXT, [TopicScore(found, 1.0, 1.0)] if found else [], words=text)

    guard = Guard([lexicon], today=_today)
    return [Judged(line, guard.judge(observe(line.text))) for line in lines]


def is_kin(one: int, other: int) -> bool:
    """Whether two topics are of one field, or one is a purchase with which the other's field goes."""
    fields_of = [{interest_field(topic), *companions().get(topic, ())} for topic in (one, other)]
    return interest_field(one) in fields_of[1] or interest_field(other) in fields_of[0]


@functools.cache
def companions() -> Mapping[int, frozenset[str]]:
    """For each purchase the fields of interest that go with it.

    A line that asks for a paddle is stored as *Purchase Intent* for water sports gear and names the interest beside it,
    or leaves it out. Which go together the training lines tell.
    """
    lines: Counter[int] = Counter()
    beside: dict[int, Counter[str]] = defaultdict(Counter)
    for line in written.training_lines():
        purchases = {topic for topic in line.topic_ids if not written.is_interest(topic)}
        lines.update(purchases)
        for purchase in purchases:
            beside[purchase].update({interest_field(topic) for topic in line.topic_ids if written.is_interest(topic)})
    return {
        purchase: frozenset(field for field, count in fields.items() if count >= COMPANION_SHARE * lines[purchase])
        for purchase, fields in beside.items()
    }


def interest_field(topic: int) -> str:
    """The second tier of a topic, such as "Sports", under one name for both branches where they mean the same.

    Consumer packaged goods are of as many fields as there are shelves, so their deeper tiers count.
    """
    _, *tiers = vocabulary.taxonomy()[topic].name.split(" | ")
    paths = (" | ".join(tiers[:depth]) for depth in (3, 2, 1))
    return next((_SAME[path] for path in paths if path in _SAME), tiers[0])


_SAME = {
    "Sporting Goods": "Sports",
    "Recreation and Fitness Activities": "Healthy Living",
    "Travel and Tourism": "Travel",
    "Automotive Ownership": "Automotive",
    "Automotive Products": "Automotive",
    "Automotive Services": "Automotive",
    "Clothing and Accessories": "Style & Fashion",
    "Beauty Services": "Style & Fashion",
    "Food and Beverage Services": "Food & Drink",
    "Consumer Packaged Goods | Edible": "Food & Drink",
    "Consumer Packaged Goods | Non-edible | Beauty": "Style & Fashion",
    "Consumer Packaged Goods | Non-edible | Household Appliances": "Home & Garden",
    "Consumer Packaged Goods | Non-edible | Home Care": "Home & Garden",
    "Consumer Packaged Goods | Non-edible | Home and Garden Products": "Home & Garden",
    "Furniture": "Home & Garden",
    "Home and Garden Services": "Home & Garden",
    "Hardware Supplies": "Home & Garden",
    "Pet Services": "Pets",
    "Consumer Electronics": "Technology & Computing",
    "Software": "Technology & Computing",
    "Web Services": "Technology & Computing",
    "Hobbies and Interests": "Hobbies & Interests",
    "Collectables and Antiques": "Hobbies & Interests",
    "Finance and Insurance": "Personal Finance",
    "Business and Industrial": "Business and Finance",
}
