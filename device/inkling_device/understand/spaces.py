"""Puts spaces back between words that were run together, by the ranks of words in the encoder's vocabulary."""

from __future__ import annotations

import functools
import math

from inkling_device.models.inventory import VOCABULARY
from inkling_device.understand.wordpiece import WordPiece

_LONGEST_WORD = 18
"""Letters of the longest word in the vocabulary."""
_COMMONEST = 1995
"""Id before that of "the"; from there on the vocabulary lists words by how common they are."""
_SHORT_WORDS = frozenset(
    {"a", "i", "am", "an", "as", "at", "be", "by", "do", "go", "he", "if", "im", "in", "is"}
    | {"it", "me", "my", "no", "of", "on", "or", "so", "to", "up", "us", "we"}
)
"""Words of one or two letters; the vocabulary has many more that are but pieces of names."""
_UNKNOWN_WORD = 8.0
"""What a word costs that is not in the vocabulary, and each letter of it; a known one costs 4.6 to 10."""
_UNKNOWN_LETTER = 1.6


def is_word(text: str) -> bool:
    """Whether `text`, in any case, is a word of the vocabulary."""
    return _cost(text.lower()) is not None


def words_of(text: str) -> list[str]:
    """The likeliest words that `text`, letters without a space, is made of.

    The likeliest have the smallest sum of costs: of a known word the logarithm of its rank (Zipf's law), of an unknown
    one a price by its length. Takes time linear in the length of `text`.
    """
    words, cost = _cheapest(text)
    return words if cost < _UNKNOWN_WORD + _UNKNOWN_LETTER * len(text) else [text]


def glued_words_of(text: str) -> list[str]:
    """The same for what may well be a single word: `text` alone, unless it is made of three known and common words or
    more. Ordinary compounds are mostly of two, and rare long words fall to pieces that are rare, too."""
    words, cost = _cheapest(text)
    surely = len(words) > 2 and cost < _UNKNOWN_LETTER * len(text) and all(map(is_word, words))
    return words if surely else [text]


def _cheapest(text: str) -> tuple[list[str], float]:
    lower = text.lower()
    costs, starts = [0.0], [0]
    for end in range(1, len(lower) + 1):
        options = ((costs[s] + _price(lower[s:end]), s) for s in range(max(end - _LONGEST_WORD, 0), end))
        cost, start = min(options)
        costs.append(cost)
        starts.append(start)
    words = []
    end = len(text)
    while end:
        words.append(text[starts[end] : end])
        end = starts[end]
    return words[::-1], costs[-1]


def _price(word: str) -> float:
    cost = _cost(word)
    return _UNKNOWN_WORD + _UNKNOWN_LETTER * len(word) if cost is None else cost


def _cost(word: str) -> float | None:
    """Logarithm of the rank of a lower-case word; None for what is no word."""
    if len(word) < 3:
        return math.log(100) if word in _SHORT_WORDS else None
    found = vocabulary().id_of(word) if len(word) <= _LONGEST_WORD else None
    return None if found is None or found <= _COMMONEST else math.log(found - _COMMONEST + 100)


@functools.cache
def vocabulary() -> WordPiece:
    """The encoder's, loaded once for all who read it."""
    return WordPiece.load(VOCABULARY)
