"""Drops words that hardly ever mean anything but a sensitive topic.

The lexicons are data: `lexicon/CATEGORY.txt`, one term a line. They hold what a classifier of this size has seen too
rarely to be sure of (rare names of diseases, denominations, peoples, parties), not words with a second, harmless sense.
A term matches whole words, in any case, with a plural or possessive ending; `*` at its end matches any ending.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import resources

from inkling_device.observation import Observation
from inkling_device.privacy.guard import Objection
from inkling_device.understand.normalize import normalize

_WORD = re.compile(r"\w+(?:'\w+)?")
_LONGEST_TERM = 5
"""Words of the longest term."""


class LexiconRule:
    """Looks every run of one to five words up; the cost does not grow with the lexicons."""

    name = "lexicon"

    def __init__(self, terms: Mapping[str, Iterable[str]]) -> None:
        self._exact: dict[str, str] = {}
        self._stems: dict[str, str] = {}
        for category, listed in terms.items():
            for term in listed:
                if term.endswith("*"):
                    self._stems[_stem(term.removesuffix("*"))] = category
                else:
                    self._exact[_key(term)] = category
        self._stem_lengths = sorted({len(stem) for stem in self._stems})

    @classmethod
    def load(cls) -> LexiconRule:
        """The lexicons that ship with the agent."""
        folder = resources.files(__package__).joinpath("lexicon")
        return cls(
            {
                file.name.removesuffix(".txt"): read_terms(file.read_text(encoding="utf-8"))
                for file in folder.iterdir()
                if file.name.endswith(".txt")
            }
        )

    def objects_to(self, observation: Observation) -> Objection | None:
        if observation.words is None:
            return None
        words = [word for match in _WORD.finditer(normalize(observation.words)) if (word := _singular(match[0]))]
        for start in range(len(words)):
            run = ""
            for word in words[start : start + _LONGEST_TERM]:
                run = f"{run} {word}" if run else word
                category = self._category(run)
                if category is not None:
                    return Objection(self.name, category)
        return None

    def _category(self, run: str) -> str | None:
        found = self._exact.get(run)
        if found is not None:
            return found
        for length in self._stem_lengths:
            found = self._stems.get(run[:length])
            if found is not None:
                return found
        return None


def read_terms(text: str) -> list[str]:
    """The terms of a lexicon file: one a line, `#` starts a comment."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _key(term: str) -> str:
    return " ".join(_singular(word) for word in _WORD.findall(term))


def _stem(term: str) -> str:
    """A key whose last word stays as it is: "nationalis" is no plural."""
    *words, last = _WORD.findall(term)
    return " ".join([*map(_singular, words), last])


def _singular(word: str) -> str:
    """A word's form in the index, the same for singular, plural and possessive; not always a word itself."""
    word = word.lower().removesuffix("'s")
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word
