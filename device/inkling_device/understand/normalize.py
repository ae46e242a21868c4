"""Undoes the ways of writing that hide a word from a model: look-alike letters, invisible ones, spelled-out words.

What remains is plain text for the tokenizer and the lexicons; a text that was plain comes back as it was, but for
accents, which neither of them knows. Swapped letters, left-out vowels and the like are not undone: that takes guessing.
"""

from __future__ import annotations

import re
import unicodedata

from inkling_device.understand.spaces import glued_words_of, is_word, words_of

_LOOKALIKES = str.maketrans(
    # Cyrillic and Greek letters, and a few symbols, that look like Latin ones (Unicode TR 39, confusables).
    "АВЕЅКМНОРСТУХЈІаеѕорсухјіһԁԛԝкмтвгпΑΒΕΖΗΙΚΜΝΟΡΤΥΧαβεηικνορτυχɑɡıǃ",
    "ABESKMHOPCTYXJIaesopcyxjihdqwkmtbrnABEZHIKMNOPTYXabenikvoptuxagi!",
)
_LATIN_SHAPES = str.maketrans("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz") | {
    first + index: chr(ord("a") + index) for first in (0x1F150, 0x1F170) for index in range(26)
}
"""Small capitals, and white letters on a disc or square: what compatibility decomposition leaves."""
_BLANKS = frozenset("\u115f\u1160\u2800")
"""Letters and symbols that show nothing (what else is invisible has a Unicode category of its own)."""
_TELLING_EMOJI = {
    "⛪": "church",
    "🕌": "mosque",
    "🕍": "synagogue",
    "🛕": "hindu temple",
    "🕋": "kaaba",
    "📿": "prayer beads",
    "✝": "christian",
    "☦": "orthodox christian",
    "☪": "muslim",
    "✡": "jewish",
    "🕉": "hindu",
    "☸": "buddhist",
    "🕎": "menorah",
    "🛐": "worship",
    "🏳🌈": "gay pride",
    "🏳⚧": "transgender",
    "👬": "gay couple",
    "👭": "lesbian couple",
    "🤰": "pregnant",
    "💊": "pills",
    "💉": "injection",
    "🏥": "hospital",
    "🩺": "doctor",
    "♿": "disabled",
    "🎗": "cancer ribbon",
    "🗳": "vote",
    "☭": "communist",
}
"""Emoji that stand for a word which tells; the others stay what they are, for they decorate more than they say."""
_EMOJI = re.compile("|".join(_TELLING_EMOJI))

_LATIN_LETTER = re.compile(r"[A-Za-z]")
_LOOKALIKE_WORD = re.compile(r"[^\W\d_]+")
_LEET = str.maketrans("013457@$!|", "oieastasil")
_LEET_WORD = re.compile(r"(?<![\w@$!|])(?=[\w@$!|]*[A-Za-z])(?=[\w@$!|]*[013457@$!|])\w[\w@$!|]+\w(?![\w@$|])")
_HASHTAG = re.compile(r"(?<!\w)#(\w*[A-Za-z]\w*)")
_CAMEL_PARTS = re.compile(r"[A-Z][a-z]+|[A-Z](?=[A-Z])|[A-Z]$|[^A-Z]+")
_CAMEL_WORD = re.compile(r"\b[A-Z][a-z]*(?:A?[A-Z][a-z]+){2,}\b")
_SPELLED = re.compile(r"(?<![\w'])(?:[A-Za-z](?: {1,2}| ?[-.,_*/|·•~+]{1,2}(?! )| [-_*/|·•~+] )){2,}[A-Za-z](?![\w'])")
"""Single letters with the same or other marks between them. A mark before a space ends an abbreviation or sentence, as
in "e.g. a tent"."""
_DOUBLED_WORD = re.compile(r"\b(?:([A-Za-z])\1){3,}\b", re.IGNORECASE)
_STRETCH = re.compile(r"([A-Za-z])\1\1", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z]+")
_REPEATED = re.compile(r"([A-Za-z])\1+", re.IGNORECASE)
_GLUED_WORD = re.compile(r"(?<![\w'@./-])[A-Za-z]{16,100}(?![\w'@/-])")


def normalize(text: str) -> str:
    """`text` in plain letters. Takes time linear in its length."""
    plain = text if text.isascii() and text.isprintable() else _without_hidden(text)
    plain = _HASHTAG.sub(_words_of_hashtag, plain)
    plain = _CAMEL_WORD.sub(lambda match: " ".join(_CAMEL_PARTS.findall(match[0])), plain)
    plain = _SPELLED.sub(_words_of_spelled, plain)
    plain = _LEET_WORD.sub(_without_leet, plain)
    plain = _DOUBLED_WORD.sub(lambda match: match[0][::2], plain)
    plain = _WORD.sub(_without_stretch, plain) if _STRETCH.search(plain) else plain
    return _GLUED_WORD.sub(lambda match: " ".join(glued_words_of(match[0])), plain)


def _without_hidden(text: str) -> str:
    """Composed forms, accents, invisible characters, look-alikes and telling emoji made plain."""
    decomposed = unicodedata.normalize("NFKD", text).translate(_LATIN_SHAPES)
    plain = unicodedata.normalize("NFC", "".join(map(_visible, decomposed)))
    plain = _EMOJI.sub(lambda match: f" {_TELLING_EMOJI[match[0]]} ", plain)
    return plain if plain.isascii() else _LOOKALIKE_WORD.sub(_without_lookalikes, plain)


def _visible(char: str) -> str:
    if char.isspace():
        return " "
    category = unicodedata.category(char)
    return "" if category in ("Mn", "Me") or category.startswith("C") or char in _BLANKS else char


def _without_lookalikes(match: re.Match[str]) -> str:
    """A word that mixes alphabets is Latin in disguise; one wholly of another alphabet is mostly another language."""
    word = match[0]
    replaced = word.translate(_LOOKALIKES)
    disguised = _LATIN_LETTER.search(word) or (replaced.isascii() and is_word(replaced))
    return replaced if disguised else word


def _words_of_hashtag(match: re.Match[str]) -> str:
    parts = [match[1]] if match[1].isupper() else _CAMEL_PARTS.findall(match[1])
    return " ".join(parts if len(parts) > 1 else words_of(match[1]))


def _words_of_spelled(match: re.Match[str]) -> str:
    """Where spaces part the letters, nothing tells where a word ends: "i a m g a y" is three."""
    return " ".join(words_of("".join(_LATIN_LETTER.findall(match[0]))))


def _without_leet(match: re.Match[str]) -> str:
    """Few letters among figures are a unit, a model or an episode (7pm, mp3s, s01e04), unless they make a word."""
    word = match[0]
    replaced = word.translate(_LEET)
    mostly_letters = len(_LATIN_LETTER.findall(word)) > 3
    if word[0].isdigit() or word[-1].isdigit():
        return replaced if mostly_letters and is_word(replaced) else word
    return replaced if mostly_letters or is_word(replaced) else word


def _without_stretch(match: re.Match[str]) -> str:
    """One letter or two, whichever makes a word: "loooove" and "cooool". Nothing would be left of "www", and "viii" is
    a word."""
    word = match[0]
    twice = _REPEATED.sub(r"\1\1", word)
    once = _REPEATED.sub(r"\1", word)
    if len(once) == 1 or not _STRETCH.search(word) or is_word(word):
        return word
    return once if is_word(once) and not is_word(twice) else twice
