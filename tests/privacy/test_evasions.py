"""What hides a sensitive line from a reader does not hide it from the guard.

What normalisation undoes is tested letter by letter, whatever the model makes of it; the rest with the real model, on
cases that no model may get wrong.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

import pytest

from inkling_device.observation import Clip, Message, Observation, Photo, Sight, Source
from inkling_device.pipeline import Pipeline
from inkling_device.privacy.guard import Guard, Objection, Verdict
from inkling_device.privacy.lexicon import LexiconRule
from inkling_device.privacy.rules import Thresholds, standard_rules
from inkling_device.understand.load import load_classifier
from inkling_device.understand.normalize import normalize

LINES = (
    "the priest hears my confession",
    "never believed there was any god",
    "she said she was a lesbian",
    "they joined the socialist party",
    "waiting for my cancer treatment",
    "both grandparents were jewish",
    "the union called another strike",
    "our baby cries every night",
    "hiking boots for the autumn",
)

CYRILLIC = str.maketrans("aceopxy", "\u0430\u0441\u0435\u043e\u0440\u0445\u0443")
GREEK = str.maketrans("aiouvk", "\u03b1\u03b9\u03bf\u03c5\u03bd\u03ba")
SMALL_CAPITALS = str.maketrans("abcdefghijklmnoprstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ")
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
BOLD = {ord("a") + index: 0x1D41A + index for index in range(26)}


def each_word(change: Callable[[str], str]) -> Callable[[str], str]:
    """`change` on every word of a line; words of one or two letters stay, for there is little to hide in them."""
    return lambda line: " ".join(change(word) if len(word) > 2 else word for word in line.split())


DISGUISES: dict[str, Callable[[str], str]] = {
    "upper_case": str.upper,
    "zero_width": each_word("\u200b".join),
    "byte_order_marks": each_word("\ufeff".join),
    "soft_hyphens": each_word("\u00ad".join),
    "control_characters": each_word("\x01".join),
    "blank_letters": each_word("\u3164".join),
    "variation_selectors": each_word("\ufe0f".join),
    "cyrillic_letters": lambda line: line.translate(CYRILLIC),
    "greek_letters": lambda line: line.translate(GREEK),
    "small_capitals": lambda line: line.translate(SMALL_CAPITALS),
    "full_width": lambda line: line.translate(FULL_WIDTH),
    "mathematical_bold": lambda line: line.translate(BOLD),
    "combining_accents": each_word(lambda word: "".join(f"{char}\u0301\u0336" for char in word)),
    "composed_accents": lambda line: line.translate(str.maketrans("aeioun", "áèîöúñ")),
    "spelled_with_spaces": lambda line: "   ".join(map(each_word(" ".join), line.split())),
    "spelled_with_dots": each_word(".".join),
    "spelled_with_hyphens": each_word("-".join),
    "spelled_with_slashes": each_word("/".join),
    "doubled_letters": each_word(lambda word: "".join(char * 2 for char in word)),
    "no_spaces": lambda line: line.replace(" ", ""),
    "hashtag": lambda line: "#" + line.title().replace(" ", ""),
    "camel_case": lambda line: line.title().replace(" ", ""),
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("kind", DISGUISES)
def test_a_disguise_that_is_undone_leaves_the_plain_line(kind: str, line: str) -> None:
    """So every reader after it reads the same; none of them tells upper from lower case, or one space from two."""
    assert normalize(line) == line
    assert " ".join(normalize(DISGUISES[kind](line)).lower().split()) == line


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("I think I am pr3gn4nt", "I think I am pregnant"),
        ("4theist g4y h1v c@ncer l3sb!ans", "atheist gay hiv cancer lesbians"),
        ("soooo much looove", "soo much love"),
        ("i h a v e c a n c e r", "i have cancer"),
        ("I am g a y", "I am gay"),
        ("c.h-u*r_c/h", "church"),
        ("#ihavecancer", "i have cancer"),
        ("see you at ⛪️", "see you at  church "),
        ("my first 🏳️\u200d🌈 march", "my first  gay pride  march"),
    ],
)
def test_other_disguises(written: str, plain: str) -> None:
    """Those that cannot be made by rule of every line."""
    assert normalize(written) == plain


@pytest.mark.parametrize(
    "text",
    [
        "mp3s on a 4x4 from 7pm to the 21st, H1N1 and S01E04, 100x200 in $15k",
        "e.g. a tent, i.e. a bivouac, at 5 p.m. I think",
        "plan a, b, c or d",
        "SUVs, DVDs, iPhone, YouTube, McDonald's, JavaScript, C#, room #4",
        "counterproductive misunderstandings of telecommunications and thunderstorms",
        "antidisestablishmentarianism electroencephalography",
        "bookkeeper, committee, noon, Aaron, llama, Mississippi",
        "good night 😴🎉",
        "собака бежит к лесу",
        "see www.example.org, hmm",
        "Henry VIII, Pope Leo XIII",
    ],
)
def test_plain_text_stays_as_it_is(text: str) -> None:
    """Units, names, abbreviations, long words and other alphabets are no disguise."""
    assert normalize(text) == text


@pytest.mark.parametrize("piece", ["a ", "a.", "a", "Aa", "#a", "4a", "aab", "\u200b", "ᴀ", "thechurch", "\u0435"])
def test_it_takes_time_linear_in_the_length(piece: str) -> None:
    """Whatever is repeated: a message of the longest length cannot hold the agent up."""
    began = time.perf_counter()
    normalize(piece * (65_536 // len(piece)))
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    "line", ["chlámydia", "chl\u200bamydia", "c-h-l-a-m-y-d-i-a", "chlamyd1a", "\u0441hlamyd\u0456a"]
)
def test_the_lexicons_see_through_disguises(line: str) -> None:
    """They look words up in what normalisation leaves."""
    rule = LexiconRule({"health": ["chlamydia"]})
    assert rule.objects_to(Observation(Source.TEXT, (), words=line)) == Objection("lexicon", "health")


class Blind:
    """No test here shows a picture."""

    def look(self, photo: Photo) -> Sight:
        raise NotImplementedError

    def watch(self, clip: Clip) -> Sight:
        raise NotImplementedError


@pytest.fixture(scope="module")
def judge() -> Callable[[str], Verdict]:
    """What the agent makes of a typed line, with the real model and every rule."""
    classifier, calibration = load_classifier()
    rules = standard_rules(
        thresholds=Thresholds.of(calibration),
        refusal=lambda source: None,
        released_today=lambda: (),
    )
    guard = Guard(rules, today=lambda: dt.date(2026, 1, 1))
    pipeline = Pipeline(classifier=classifier, eyes=Blind(), topics_of=lambda sight: (), guard=guard)
    return lambda text: pipeline.read(Message(text))


@pytest.mark.models
@pytest.mark.parametrize("text", ["", " ", "\u200b", ".", "...", "?!", "42", "🎉🎉🎉", "🙂", "a", "hello", "stop"])
def test_a_line_that_says_nothing_gives_no_event(text: str, judge: Callable[[str], Verdict]) -> None:
    """Empty, without a word, emoji alone, or a word that is about nothing."""
    assert not judge(text).events


@pytest.mark.models
@pytest.mark.parametrize("text", ["Ramadan", "chemotherapy", "lesbian", "atheism", "⛪", "🏳️\u200d🌈"])
def test_one_telling_word_gives_no_event(text: str, judge: Callable[[str], Verdict]) -> None:
    """A word is enough to tell."""
    assert not judge(text).events


@pytest.mark.models
@pytest.mark.parametrize(
    "text",
    [
        "Welche Wanderschuhe sind gut für lange Touren im Herbst?",
        "quelles chaussures de randonnée choisir pour l'automne",
        "cómo hacer pan de masa madre en casa",
        "quali scarponi mi servono per camminare in montagna",
        "какие ботинки нужны для похода в горы",
        "ποια παπούτσια χρειάζομαι στο βουνό",
        "秋のハイキングにはどの靴がいいですか",
        "أي حذاء أحتاج للمشي في الجبال",
        "मुझे पहाड़ों में चलने के लिए कौन से जूते चाहिए",
    ],
)
def test_a_line_in_another_language_gives_no_event(text: str, judge: Callable[[str], Verdict]) -> None:
    """Nothing here can judge it."""
    assert not judge(text).events


FILLER = (
    "we left the car below the dam and walked up along the stream to the hut, where there was soup and a stove,"
    " and the boots were dry again by the evening"
)


@pytest.mark.models
@pytest.mark.parametrize(
    "sentence",
    [
        "I went to confession at the cathedral before Easter Mass",
        "the doctor told me that my breast cancer has come back",
        "I am gay and have never told my wife about it",
        "our union is going on strike for higher wages on Monday",
        "I voted for the socialist party at the last election",
    ],
)
@pytest.mark.parametrize("joint", [", ", ". "])
def test_a_sensitive_sentence_inside_a_long_line_drops_it(
    sentence: str, joint: str, judge: Callable[[str], Verdict]
) -> None:
    """The line is several times as long as what the model reads at once."""
    verdict = judge(joint.join((FILLER, sentence, FILLER)))
    assert not verdict.events
    assert verdict.objection is not None


@pytest.mark.models
@pytest.mark.parametrize(
    "line",
    [
        "find hiking boots and tell me when evening prayer starts at the mosque",
        "a recipe for lemon cake, and how long until antidepressants work",
        "order a pizza and look for a gay bar that is open late",
        "what was the football score, and how do I join the Labour party",
        "book a table for two, and when does the union's strike ballot close",
    ],
)
def test_one_sensitive_subject_of_two_drops_the_line(line: str, judge: Callable[[str], Verdict]) -> None:
    """The harmless one is not released either."""
    verdict = judge(line)
    assert not verdict.events
    assert verdict.objection is not None
