"""Undoes the ways of writing that hide a word from a model: look-alike letters, invisible ones, spelled-out words.

What remains is plain text for the tokenizer and the lexicons; a text that was plain comes back as it was.
"""

from __future__ import annotations

import re
import unicodedata

_LOOKALIKES = str.maketrans(
    # Cyrillic and Greek letters, and a few symbols, that look like Latin ones (Unicode TR 39, confusables).
    "АВЕЅКМНОРСТУХЈІаеѕорсухјіһԁԛԝкмтвгпΑΒΕΖΗΙΚΜΝΟΡΤΥΧαβεικνορτυχɑɡıǃ",
    "ABESKMHOPCTYXJIaesopcyxjihdqwkmtbrnABEZHIKMNOPTYXabeiknoptuxagi!",
)
_LATIN_LETTER = re.compile(r"[A-Za-z]")
_LOOKALIKE_WORD = re.compile(r"[^\W\d_]+")
_LEET = str.maketrans("013457@$!|", "oieastasil")
_LEET_WORD = re.compile(r"(?<![\w@$!|])(?=[\w@$!|]*[A-Za-z])(?=[\w@$!|]*[013457@$!|][\w@$!|]*[A-Za-z])[\w@$!|]{3,}")
_PLAIN_MIXED = re.compile(r"[A-Za-z]{1,3}\d+|\d+[A-Za-z]{1,3}")
"""Numbers with a unit, an ordinal's ending or a model's letters, such as 7pm, 21st, mp3, k9: no disguise."""
_SPELLED = re.compile(r"(?<![\w'])(?:[A-Za-z][ .\-_*]{1,2}){2,}[A-Za-z](?![\w'])")
_REPEATED = re.compile(r"([A-Za-z])\1{2,}")


def normalize(text: str) -> str:
    """`text` in plain letters. Takes time linear in its length."""
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(char for char in plain if unicodedata.category(char) != "Cf")
    if not plain.isascii():
        plain = _LOOKALIKE_WORD.sub(_without_lookalikes, plain)
    plain = _SPELLED.sub(lambda match: re.sub(r"[ .\-_*]", "", match[0]), plain)
    plain = _LEET_WORD.sub(_without_leet, plain)
    return _REPEATED.sub(r"\1\1", plain)


def _without_lookalikes(match: re.Match[str]) -> str:
    """A word that mixes alphabets is Latin in disguise; one wholly of another alphabet is another language."""
    word = match[0]
    replaced = word.translate(_LOOKALIKES)
    return replaced if _LATIN_LETTER.search(word) or replaced.isascii() else word


def _without_leet(match: re.Match[str]) -> str:
    word = match[0]
    return word if _PLAIN_MIXED.fullmatch(word) else word.translate(_LEET)
