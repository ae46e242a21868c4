"""What a text is about, and whether it touches what must not leave: the seam, and the model behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from inkling import topics as vocabulary
from inkling_device.observation import TopicScore
from inkling_device.tflite import Model
from inkling_device.understand.normalize import normalize
from inkling_device.understand.wordpiece import WordPiece

Floats = npt.NDArray[np.float32]

HARMLESS = "harmless"
"""The category of what is not sensitive."""
NO_TOPIC = 0
"""The class of what is in no topic of a branch."""

LIKELY = 0.5
"""Probability from which on a topic is named rather than what it is part of."""

_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the classifier makes of one text."""

    topics: Sequence[TopicScore]
    """The most probable first; none of them above another in the taxonomy; empty for "no topic". Where no topic is
    likely, the likeliest field alone."""
    sensitive: Mapping[str, float]
    """Probability of each sensitive category, and of `not_english`, in the worst piece of the text; their sum is the
    probability that the text may not leave. Empty for a text without a word."""


class TextClassifier(Protocol):
    """Reads a text of any length."""

    def read(self, text: str) -> Reading:
        """Never raises for any text; one without a word gives no topic."""
        ...


@dataclass(frozen=True, slots=True)
class Calibration:
    """How to read the model's outputs; written by training, stored beside the model file.

    The model gives one row of logits: the classes of the *Interest* branch, those of the *Purchase Intent* branch, and
    the sensitive categories. Each part is a softmax of its own. A class is a topic id, or 0 for "none of this branch";
    the category `harmless` stands for none of the others.
    """

    branches: Sequence[Sequence[int]]
    categories: Sequence[str]
    window: int
    """Tokens that the model reads at once, start and end marks among them."""
    branch_temperatures: Sequence[float]
    """What the logits of each branch are divided by, so that a probability is right as often as it says (Guo 2017)."""
    category_temperature: float
    """The same for the categories."""
    topic_threshold: float
    """Certainty from which on a topic of typed words may leave; see `privacy.confidence.certainty`."""
    spoken_threshold: float
    """The same for words that were heard."""
    sensitive_threshold: float
    """Probability of anything but `harmless` from which on the guard drops."""

    @classmethod
    def load(cls, path: Path) -> Calibration:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def topic_certainty(field: float, none: float) -> float:
    """How certain a topic is whose field has the probability `field`, where that of no topic at all is `none`.

    Naming one of two near fields is a smaller fault than naming any where there is none, so `none` counts twice.
    """
    return field * (1 - none) ** 2


class EncoderClassifier:
    """The fine-tuned MiniLM encoder with a head for each branch of the taxonomy and one for the sensitive categories.

    The model takes `ids` and `mask`, int32 of shape (1, window), and gives float32 logits of shape (1, classes). A text
    that does not fit the window, or holds several sentences, is also read in pieces: a topic or a sensitive category
    counts where any piece has it.
    """

    def __init__(self, model: Model, tokenizer: WordPiece, calibration: Calibration) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._calibration = calibration
        self._branches = [
            _Branch(classes, temperature)
            for classes, temperature in zip(calibration.branches, calibration.branch_temperatures, strict=True)
        ]
        self._ends = np.cumsum([branch.size for branch in self._branches])

    def read(self, text: str) -> Reading:
        pieces = self._pieces(normalize(text))
        if not pieces:
            return Reading((), {})
        rows = [self._model.run(*self._inputs(piece))[0][0] for piece in pieces]
        *of_branches, of_categories = zip(*(np.split(row, self._ends) for row in rows), strict=True)
        readings = [branch.read(parts) for branch, parts in zip(self._branches, of_branches, strict=True)]
        named = [score for likely, _ in readings for score in likely]
        if not named:
            named = sorted((field for _, field in readings if field), key=lambda score: -score.certainty)[:1]
        temperature = self._calibration.category_temperature
        worst = min((_softmax(part, temperature) for part in of_categories), key=self._harmless)
        return Reading(
            sorted(named, key=lambda score: -score.probability),
            {
                category: float(probability)
                for category, probability in zip(self._calibration.categories, worst, strict=True)
                if category != HARMLESS
            },
        )

    def _harmless(self, probabilities: Floats) -> float:
        return float(probabilities[self._calibration.categories.index(HARMLESS)])

    def _pieces(self, text: str) -> Sequence[Sequence[int]]:
        """Token ids in pieces that fit the window: the whole if it does, each of several sentences, overlapping parts
        of what is longer."""
        room = self._calibration.window - 2
        sentences = _SENTENCE_END.split(text)
        texts = sentences if len(sentences) == 1 else [text, *sentences]
        return [part for piece in texts for part in _windows(self._tokenizer.pieces(piece), room)]

    def _inputs(self, piece: Sequence[int]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        tokens = [self._tokenizer.start, *piece, self._tokenizer.end]
        ids = np.zeros((1, self._calibration.window), np.int32)
        mask = np.zeros_like(ids)
        ids[0, : len(tokens)] = tokens
        mask[0, : len(tokens)] = 1
        return ids, mask


class _Branch:
    """One branch of the taxonomy: from class logits to probabilities of its nodes, a node counting for its parents."""

    def __init__(self, classes: Sequence[int], temperature: float) -> None:
        self.size = len(classes)
        self._temperature = temperature
        chains = {
            topic: [topic, *(node for node in vocabulary.ancestors(topic) if node in vocabulary.sendable())]
            for topic in classes
            if topic != NO_TOPIC
        }
        self._nodes = sorted({node for chain in chains.values() for node in chain})
        position = {node: index for index, node in enumerate(self._nodes)}
        pairs = [(position[node], index) for index, topic in enumerate(classes) for node in chains.get(topic, ())]
        self._node_of_pair, self._class_of_pair = np.array(pairs, np.int32).reshape(-1, 2).T
        self._above = [frozenset(vocabulary.ancestors(node)) for node in self._nodes]
        fields = {node: chain[-1] for chain in chains.values() for node in chain}
        self._field_of = [position[fields[node]] for node in self._nodes]
        self._fields = sorted(set(self._field_of))
        self._none = list(classes).index(NO_TOPIC)

    def read(self, pieces: Sequence[Floats]) -> tuple[Sequence[TopicScore], TopicScore | None]:
        """From the class logits of each piece of a text: the most specific nodes that are likely in any piece, and the
        likeliest field, or None where no topic is likelier."""
        of_pieces = [_softmax(logits, self._temperature) for logits in pieces]
        none = min(float(of_classes[self._none]) for of_classes in of_pieces)
        nodes = np.max([self._node_probabilities(of_classes) for of_classes in of_pieces], axis=0)
        likely = np.flatnonzero(nodes >= LIKELY)
        implied = {node for index in likely for node in self._above[index]}
        scores = [self._score(int(index), nodes, none) for index in likely if self._nodes[index] not in implied]
        field = max(self._fields, key=nodes.__getitem__)
        return scores, self._score(field, nodes, none) if nodes[field] > none else None

    def _node_probabilities(self, of_classes: Floats) -> Floats:
        """Probability of each node, float32 of shape (nodes,)."""
        of_pairs = of_classes[self._class_of_pair]
        return np.bincount(self._node_of_pair, of_pairs, len(self._nodes)).clip(max=1).astype(np.float32)

    def _score(self, index: int, nodes: Floats, none: float) -> TopicScore:
        field = float(nodes[self._field_of[index]])
        return TopicScore(self._nodes[index], float(nodes[index]), topic_certainty(field, none))


def _windows(ids: Sequence[int], room: int) -> Sequence[Sequence[int]]:
    """`ids` in parts of at most `room` tokens; each begins in the last third of the one before."""
    if len(ids) <= room:
        return [ids] if ids else []
    return [ids[start : start + room] for start in range(0, len(ids) - room // 3, room * 2 // 3)]


def _softmax(logits: Floats, temperature: float) -> Floats:
    scaled = (logits - logits.max()) / temperature
    exponentials = np.exp(scaled)
    return np.asarray(exponentials / exponentials.sum(), np.float32)


class FakeClassifier:
    """Reads what it is told to: the reading of the first key that stands in a text, or nothing at all."""

    def __init__(self, readings: Mapping[str, Reading]) -> None:
        self._readings = readings

    def read(self, text: str) -> Reading:
        found = (reading for key, reading in self._readings.items() if key in text)
        return next(found, Reading((), {}))
