"""From text to topics and sensitive categories: tokenizer, plain writing, and reading the model's outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from inkling_device.tflite import Tensor
from inkling_device.understand.classifier import Calibration, EncoderClassifier
from inkling_device.understand.normalize import normalize
from inkling_device.understand.wordpiece import WordPiece

WORDS = ("walk", "##ing", "in", "the", "rain", "cafe", "!", "-", "東", "boots", "church")
VOCABULARY = {token: index for index, token in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS))}


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Walking in the RAIN!", ["walk", "##ing", "in", "the", "rain", "!"]),
        ("the café", ["the", "cafe"]),
        ("walk-in", ["walk", "-", "in"]),
        ("東the", ["東", "the"]),
        ("walks", ["[UNK]"]),
        ("in\x00\x07the", ["[UNK]"]),
        ("in\tthe\r\nrain", ["in", "the", "rain"]),
        ("a" * 101, ["[UNK]"]),
        ("", []),
        (" \u200b ", []),
    ],
)
def test_word_pieces(text: str, tokens: Sequence[str]) -> None:
    """Longest match first, accents and case dropped, ideographs and punctuation on their own."""
    assert list(WordPiece(list(VOCABULARY)).pieces(text)) == [VOCABULARY[token] for token in tokens]


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("hiking boots, size 43 (mp3, 4k, 7pm)", "hiking boots, size 43 (mp3, 4k, 7pm)"),
        ("I am g a y", "I am gay"),
        ("c-h-u-r-c-h", "church"),
        ("chu\u200brch", "church"),
        ("\u0441hur\u0441h", "church"),  # two Cyrillic letters
        ("\uff43\uff48\uff55\uff52\uff43\uff48", "church"),  # full width
        ("\uff27\uff21\uff39", "GAY"),
        ("ch0rch3s", "chorches"),
        ("churrrrch", "church"),
        ("привет", "привет"),
        ("plan b", "plan b"),
        ("", ""),
    ],
)
def test_disguises_are_undone_and_plain_text_is_left(written: str, plain: str) -> None:
    """A text that was plain comes back as it was."""
    assert normalize(written) == plain


class ScriptedModel:
    """Answers logits by which token is among the inputs."""

    inputs: Sequence[Tensor] = ()
    outputs: Sequence[Tensor] = ()

    def __init__(self, by_token: dict[str, Sequence[float]], otherwise: Sequence[float]) -> None:
        self._by_token = {VOCABULARY[token]: logits for token, logits in by_token.items()}
        self._otherwise = otherwise
        self.asked = 0

    def run(self, *inputs: npt.NDArray[Any]) -> Sequence[npt.NDArray[np.float32]]:
        self.asked += 1
        ids, mask = inputs
        assert ids.shape == mask.shape == (1, 8)
        assert int(mask.sum()) >= 3
        found = next((row for token, row in self._by_token.items() if token in ids[0]), self._otherwise)
        return [np.array([found], np.float32)]


BRANCHES = ((0, 672, 661, 607), (0, 1637))
NOTHING = (9, 0, 0, 0, 9, 0, 9, 0, 0)
"""Logits: Interest (none, Walking, Skiing, Sports), Purchase Intent (none, 1637), harmless, health, religion."""


def classifier(
    *, branches: Sequence[Sequence[int]] = BRANCHES, **by_token: Sequence[float]
) -> tuple[EncoderClassifier, ScriptedModel]:
    calibration = Calibration(
        branches=branches,
        categories=["harmless", "health", "religion"],
        window=8,
        branch_temperatures=[1.0, 1.0],
        category_temperature=1.0,
        topic_threshold=0.5,
        spoken_threshold=0.3,
        sensitive_threshold=0.5,
    )
    model = ScriptedModel(by_token, NOTHING)
    return EncoderClassifier(model, WordPiece(list(VOCABULARY)), calibration), model


def named(text: str, **by_token: Sequence[float]) -> dict[int, float]:
    reading = classifier(branches=BRANCHES, **by_token)[0].read(text)
    return {score.topic: score.probability for score in reading.topics}


class TestReading:
    def test_the_most_specific_topic_is_named(self) -> None:
        """Its parents are implied."""
        assert list(named("walk", walk=(0, 9, 0, 0, 9, 0, 9, 0, 0))) == [672]

    def test_torn_between_two_kinds_it_names_what_they_share(self) -> None:
        """Walking and skiing at 49 % each are sports at 98 %."""
        found = named("walk", walk=(0, 4, 4, 0, 9, 0, 9, 0, 0))
        assert list(found) == [607]
        assert found[607] == pytest.approx((2 * math.exp(4) + 1) / (2 * math.exp(4) + 2))

    def test_both_branches_may_name_one(self) -> None:
        """Boots are to be bought and walking is liked."""
        assert set(named("boots", boots=(0, 9, 0, 0, 0, 9, 9, 0, 0))) == {672, 1637}

    def test_torn_between_two_fields_it_names_the_likelier(self) -> None:
        """Little speaks for no topic at all: a guess that is owned to be one is worth more than silence."""
        subject, _ = classifier(branches=[[0, 672, 543], [0, 1637]], walk=(2, 3.1, 3, 9, 7, 9, 0, 0))
        (score,) = subject.read("walk").topics
        of_walking, of_none = (math.exp(logit) / (math.exp(2) + math.exp(3.1) + math.exp(3)) for logit in (3.1, 2))
        assert score.topic == 607
        assert score.probability == pytest.approx(of_walking)
        assert score.certainty == pytest.approx(of_walking * (1 - of_none) ** 2)

    def test_a_field_less_likely_than_none_is_not_named(self) -> None:
        """However it compares with other fields."""
        subject, _ = classifier(branches=[[0, 672, 543], [0, 1637]], walk=(3.2, 3.1, 3, 9, 7, 9, 0, 0))
        assert subject.read("walk").topics == []

    def test_a_topic_is_as_certain_as_its_field(self) -> None:
        """That it is a walk, and not skiing, is another matter than that it is sports."""
        (score,) = classifier(walk=(0, 4, 3, 0, 9, 0, 9, 0, 0))[0].read("walk").topics
        assert score.topic == 672
        assert score.certainty > 0.9 > score.probability

    def test_no_topic(self) -> None:
        """The model can say so."""
        assert named("the rain") == {}

    @pytest.mark.parametrize("text", ["", "   ", "\u200b\ufeff"])
    def test_without_a_word_nothing_is_asked(self, text: str) -> None:
        """And nothing is named."""
        subject, model = classifier()
        reading = subject.read(text)
        assert (list(reading.topics), dict(reading.sensitive), model.asked) == ([], {}, 0)

    def test_one_bad_piece_of_a_long_text_makes_it_sensitive(self) -> None:
        """Wherever it stands; the window of this model is six words."""
        for place in range(20):
            words = ["the"] * 20
            words[place] = "church"
            subject, _ = classifier(church=(9, 0, 0, 0, 9, 0, 0, 0, 9))
            assert subject.read(" ".join(words)).sensitive["religion"] > 0.9

    def test_each_sentence_is_read_by_itself_too(self) -> None:
        """A short bad sentence is not drowned by a good one."""
        subject, model = classifier(church=(9, 0, 0, 0, 9, 0, 0, 0, 9))
        assert subject.read("the rain. church!").sensitive["religion"] > 0.9
        assert model.asked == 3
