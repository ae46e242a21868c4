"""Backoff models of word triples: estimated from sentences, mixed, pruned.

A word is a number of 0 or more, or `START` or `END` of the sentence. A model's probability of a word after a context is
the one it holds for the longest end of the context that it knows the word after, times the backoff weights of the
longer ones (Katz's form; what ARPA files and speech decoders hold).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

START, END = -1, -2
ORDER = 3

Context = tuple[int, ...]
"""Up to two words, the nearest last."""
Rows = dict[Context, dict[int, float]]
"""Words known after a context, with a probability or a count each."""


@dataclass(frozen=True, slots=True)
class NgramModel:
    """Probabilities of up to `ORDER` words. Every context's end is a context too, and its last word known after it."""

    rows: Rows
    backoffs: dict[Context, float] = field(default_factory=dict)
    """Weight of the shorter context for words not known after this one; 1 where there is none."""

    def probability(self, context: Context, word: int) -> float:
        """Of `word` after `context`; 0 for a word that the model does not know at all."""
        weight = 1.0
        while True:
            known = self.rows.get(context)
            if known is not None and word in known:
                return weight * known[word]
            if not context:
                return 0.0
            weight *= self.backoffs.get(context, 1.0)
            context = context[1:]

    @property
    def ngrams(self) -> int:
        """How many probabilities it holds."""
        return sum(map(len, self.rows.values()))


def _runs(sentence: Sequence[int | None]) -> Iterable[list[int]]:
    """The stretches of known words of a sentence, with its start and end."""
    run: list[int] = []
    for word in (START, *sentence, END):
        if word is None:
            yield run
            run = []
        else:
            run.append(word)
    yield run


def kneser_ney(sentences: Iterable[Sequence[int | None]]) -> NgramModel:
    """Interpolated Kneser-Ney with three discounts (Chen and Goodman, "An empirical study of smoothing techniques for
    language modeling", 1998). A None is a word that the model is not to know: nothing reaches across it."""
    triples: Counter[Context] = Counter()
    pairs: Counter[Context] = Counter()
    for sentence in sentences:
        for run in _runs(sentence):
            triples.update(zip(run, run[1:], run[2:], strict=False))
            pairs.update(itertools.pairwise(run))
    # A pair inside of sentences counts once for each word before it; nothing comes before a start.
    followed = Counter(triple[1:] for triple in triples)
    followed.update({pair: count if pair[0] == START else 1 for pair, count in pairs.items() if pair not in followed})
    singles = Counter((pair[1],) for pair in followed)
    model = NgramModel({(): {word: count / singles.total() for (word,), count in singles.items()}})
    for counts in (followed, triples):
        _add_order(model, counts)
    return model


def _add_order(model: NgramModel, counts: Counter[Context]) -> None:
    discounts = _discounts(counts)
    rows: defaultdict[Context, dict[int, int]] = defaultdict(dict)
    for ngram, count in counts.items():
        rows[ngram[:-1]][ngram[-1]] = count
    for context, row in rows.items():
        total = sum(row.values())
        left = sum(discounts[min(count, 3)] for count in row.values()) / total
        model.backoffs[context] = left
        model.rows[context] = {
            word: (count - discounts[min(count, 3)]) / total + left * model.probability(context[1:], word)
            for word, count in row.items()
        }


def _discounts(counts: Counter[Context]) -> tuple[float, float, float, float]:
    """What is taken from a count of 0, 1, 2, and 3 or more."""
    of_count = Counter(min(count, 4) for count in counts.values())
    if not (of_count[1] and of_count[2] and of_count[3]):
        return 0.0, 0.5, 0.5, 0.5  # too few to estimate from
    share = of_count[1] / (of_count[1] + 2 * of_count[2])
    one, two, three = (
        min(max(count - (count + 1) * share * of_count[count + 1] / of_count[count], 0.05), count - 0.05)
        for count in (1, 2, 3)
    )
    return 0.0, one, two, three


def mixed(ours: NgramModel, theirs: NgramModel, share: float) -> NgramModel:
    """`share` of the probability by `ours`, the rest by `theirs`, for every n-gram that either of them holds."""
    rows: Rows = {}
    for context in ours.rows.keys() | theirs.rows.keys():
        words = ours.rows.get(context, {}).keys() | theirs.rows.get(context, {}).keys()
        rows[context] = {
            word: share * ours.probability(context, word) + (1 - share) * theirs.probability(context, word)
            for word in words
        }
    return _with_backoffs(rows)


def _with_backoffs(rows: Rows) -> NgramModel:
    """The model of `rows`, each context's words and what it leaves to the shorter one adding up to 1."""
    total = sum(rows[()].values())
    model = NgramModel({**rows, (): {word: each / total for word, each in rows[()].items()}})
    for length in range(1, ORDER):
        for context in (each for each in rows if len(each) == length):
            left = 1 - sum(rows[context].values())
            below = 1 - sum(model.probability(context[1:], word) for word in rows[context])
            model.backoffs[context] = max(left, 1e-6) / max(below, 1e-6)
    return model


def pruned(model: NgramModel, most: int) -> NgramModel:
    """At most about `most` n-grams: those go whose absence changes least, weighted by how often their context comes up
    (after Stolcke, "Entropy-based pruning of backoff language models", 1998). Single words all stay."""
    losses = sorted(
        (_loss(model, context, word), context, word) for context, row in model.rows.items() if context for word in row
    )
    rows = {context: dict(row) for context, row in model.rows.items()}
    surplus = model.ngrams - most
    for _, context, word in losses:
        if surplus <= 0:
            break
        if (*context, word) not in rows:  # as a context it is needed
            del rows[context][word]
            surplus -= 1
            if len(context) == ORDER - 1 and not rows[context]:
                del rows[context]
    ends = {context[1:] for context in rows if context}
    return _with_backoffs({context: row for context, row in rows.items() if row or context in ends})


def _loss(model: NgramModel, context: Context, word: int) -> float:
    without = model.backoffs.get(context, 1.0) * model.probability(context[1:], word)
    probability = model.rows[context][word]
    return _frequency(model, context) * probability * abs(math.log(probability / without)) if without else math.inf


def _frequency(model: NgramModel, context: Context) -> float:
    """How often `context` comes up; a start as often as an end."""
    first = END if context[0] == START else context[0]
    share = model.probability((), first)
    return share * model.probability(context[:1], context[1]) if len(context) > 1 else share


def perplexity(model: NgramModel, sentences: Iterable[Sequence[int | None]]) -> float:
    """Of the words of the sentences that the model knows."""
    surprises = [
        -math.log(model.probability(tuple(run[max(0, at - ORDER + 1) : at]), run[at]))
        for sentence in sentences
        for run in _runs(sentence)
        for at in range(1 if run[:1] == [START] else 0, len(run))
    ]
    return math.exp(sum(surprises) / len(surprises))
