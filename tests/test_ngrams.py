"""The language that the speech model is taught: probabilities that add up, and a graph that says what it was told."""

from __future__ import annotations

import ngrams
import pytest
import speech_language

RED, GREEN, BLUE, CAR = 1, 2, 3, 4
SENTENCES = [[RED, CAR], [RED, CAR], [GREEN, CAR, RED], [BLUE], [BLUE, CAR, GREEN], [RED, RED, BLUE, CAR]]
OTHERS = [[CAR, CAR], [CAR, GREEN, CAR], [BLUE, BLUE, CAR]]


def contexts() -> list[tuple[int, ...]]:
    words = (ngrams.START, RED, GREEN, BLUE, CAR)
    return [(), *((word,) for word in words), *((first, word) for first in words for word in words[1:])]


@pytest.mark.parametrize("kind", ["estimated", "mixed", "pruned"])
def test_what_may_follow_adds_up_to_one(kind: str) -> None:
    """After every context, known or not."""
    model = ngrams.kneser_ney(SENTENCES)
    if kind != "estimated":
        model = ngrams.mixed(model, ngrams.kneser_ney(OTHERS), 0.7)
    if kind == "pruned":
        model = ngrams.pruned(model, model.ngrams - 8)
    for context in contexts():
        total = sum(model.probability(context, word) for word in (RED, GREEN, BLUE, CAR, ngrams.END))
        assert total == pytest.approx(1), context


def test_what_was_said_more_is_likelier() -> None:
    model = ngrams.kneser_ney(SENTENCES)
    assert model.probability((RED,), CAR) > model.probability((RED,), GREEN) > 0
    assert model.probability((ngrams.START, RED), CAR) > model.probability((ngrams.START, RED), RED)


def test_a_mixture_lies_between() -> None:
    ours, theirs = ngrams.kneser_ney(SENTENCES), ngrams.kneser_ney(OTHERS)
    both = ngrams.mixed(ours, theirs, 0.7)
    known = [(context, word) for context, row in both.rows.items() if context for word in row]
    for context, word in known:
        expected = 0.7 * ours.probability(context, word) + 0.3 * theirs.probability(context, word)
        assert both.probability(context, word) == pytest.approx(expected)


def test_nothing_reaches_across_an_unknown_word() -> None:
    """A name that the speech model does not know does not make neighbours of the words around it."""
    model = ngrams.kneser_ney([[RED, None, CAR], [RED, GREEN]])
    assert CAR not in model.rows[(RED,)]
    assert GREEN in model.rows[(RED,)]


def test_pruning_keeps_what_says_most() -> None:
    """Down to the size asked for, every word alone kept, and the measured surprise grows little by little."""
    model = ngrams.kneser_ney(SENTENCES * 3 + OTHERS)
    smaller, smallest = ngrams.pruned(model, model.ngrams - 4), ngrams.pruned(model, model.ngrams - 10)
    assert smaller.ngrams == model.ngrams - 4
    assert smallest.rows[()].keys() == model.rows[()].keys()
    surprises = [ngrams.perplexity(each, SENTENCES) for each in (model, smaller, smallest)]
    assert surprises == sorted(surprises)
    for context in smallest.rows:
        assert context[1:] in smallest.rows, "a context without its shorter one is no backoff model"
        assert len(context) < 2 or context[-1] in smallest.rows[context[:-1]]


def test_a_graph_says_what_the_model_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Written for OpenFst's compiler and read as its printer prints it: the same probabilities, but for the weight that
    the language has against the sound."""
    monkeypatch.setattr(speech_language, "LANGUAGE_WEIGHT", 1.0)
    model = ngrams.mixed(ngrams.kneser_ney(SENTENCES), ngrams.kneser_ney(OTHERS), 0.5)
    names = {"red": RED, "green": GREEN, "blue": BLUE, "car": CAR}
    labels = {"0": "<eps>", **{str(number): word for word, number in names.items()}}
    fields = [line.split() for line in speech_language._arcs(model)]
    printed = [[*row[:2], labels[row[2]], labels[row[3]], *row[4:]] if len(row) > 2 else row for row in fields]
    read = speech_language._model("\n".join("\t".join(row) for row in printed), names)
    assert read.rows.keys() == model.rows.keys()
    for context in contexts():
        for word in (RED, GREEN, BLUE, CAR, ngrams.END):
            expected = model.probability(context, word)
            assert read.probability(context, word) == pytest.approx(expected, rel=1e-4), (context, word)
