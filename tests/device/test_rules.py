"""The guard's rules as tables, with near-misses beside what they must catch."""

from __future__ import annotations

import pytest

from inkling import topics
from inkling_device.observation import Observation, Sight, Source, Tag, TopicScore
from inkling_device.privacy.allowed import PolicyRule
from inkling_device.privacy.confidence import ConfidenceRule
from inkling_device.privacy.guard import Objection
from inkling_device.privacy.identifiers import kind_of_identifier
from inkling_device.privacy.language import LanguageRule
from inkling_device.privacy.lexicon import LexiconRule
from inkling_device.privacy.sendable import SendableRule
from inkling_device.privacy.sensitive_topic import SensitiveTopicRule
from inkling_device.privacy.sight import SightRule
from inkling_device.see.tag_topics import tag_meanings


def said(words: str) -> Observation:
    return Observation(Source.VOICE, [TopicScore(672, 0.9, 0.9)], words=words)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to jane.doe+x@example.co.uk please", "email"),
        ("jane at gmail dot com", "email"),
        ("meet me at gmail", None),
        ("call me on +44 20 7946 0958", "phone"),
        ("my number is 555-867-5309", "phone"),
        ("his number is five five five eight six seven five", "phone"),
        ("call 867-5309", "phone"),
        ("between 2019 2021", None),
        ("one two three four", None),
        ("the score was 21-19 21-17", None),
        ("set a timer for 1500 seconds", None),
        ("4111 1111 1111 1111", "card"),
        ("the IBAN is DE89 3704 0044 0532 0130 00", "account_number"),
        ("078-05-1120", "identity_number"),
        ("ping 192.168.0.12", "address"),
        ("version 1.2.3", None),
        ("12 Acacia Avenue", "street_address"),
        ("221b Baker Street", "street_address"),
        ("2 minute drive", None),
        ("ask @janedoe_77", "handle"),
        ("r @ home", None),
        ("my password is hunter2", "secret"),
        ("I forgot my password", None),
        ("what is 30 times 12.5", None),
        ("the population was 1,234,567 in 1990", None),
        ("hiking boots size 43", None),
    ],
)
def test_personal_identifiers(text: str, kind: str | None) -> None:
    """Numbers, addresses and names of accounts are found; other numbers are not taken for them."""
    assert kind_of_identifier(text) == kind


class TestLexicon:
    rule = LexiconRule(
        {"health": ["multiple sclerosis", "oncolog*", "iatrogenes*", "stent"], "religion": ["first communion"]}
    )

    @pytest.mark.parametrize(
        ("words", "category"),
        [
            ("living with Multiple Sclerosis", "health"),
            ("multiple choice", None),
            ("an oncologist's view", "health"),
            ("a case of iatrogenesis", "health"),
            ("the iatrogenetic", None),
            ("two stents", "health"),
            ("a stentorian voice", None),
            ("her first communions", "religion"),
            ("the first communique", None),
            ("m u l t i p l e  sclerosis", "health"),
            ("multiple scler\u200bosis", "health"),
            ("", None),
        ],
    )
    def test_whole_words_in_any_writing(self, words: str, category: str | None) -> None:
        """Case, plural, possessive and disguise do not matter; a longer word is another word."""
        objection = self.rule.objects_to(said(words))
        assert (objection and objection.category) == category

    def test_pictures_have_no_words(self) -> None:
        """The rule has nothing to say of them."""
        assert self.rule.objects_to(Observation(Source.PHOTO, [], sight=Sight([], 0))) is None

    def test_the_shipped_lexicons_cover_every_category(self) -> None:
        """Each finds one of its own terms in a sentence."""
        rule = LexiconRule.load()
        for words, category in (
            ("what is hanukkah synagogue", "religion"),
            ("the categorical imperative", "philosophical_belief"),
            ("am I demisexual", "sexual_orientation"),
            ("gerrymandering explained", "political_views"),
            ("chemotherapy", "health"),
            ("a mestizo family", "ethnic_origin"),
            ("the shop steward said", "trade_union"),
            ("a babysitter for tonight", "children"),
        ):
            assert rule.objects_to(said(words)) == Objection("lexicon", category)

    def test_a_shot_is_a_vaccine_only_where_the_words_around_it_say_so(self) -> None:
        """One can also take, get and get rid of other shots."""
        rule = LexiconRule.load()
        for words in ("can I go to Kenya without getting a shot", "what shots do I need before I go to Peru"):
            assert rule.objects_to(said(words)) == Objection("lexicon", "health")
        for words in ("getting a shot of the sunset", "a double shot of espresso", "how do I get shot of a channel"):
            assert rule.objects_to(said(words)) is None


@pytest.mark.parametrize(
    ("sensitive", "category"),
    [
        ({"health": 0.6, "religion": 0.1}, "health"),
        ({"health": 0.3, "religion": 0.25}, "health"),
        ({"health": 0.3, "religion": 0.1}, None),
        ({}, None),
    ],
)
def test_sensitive_probabilities_count_together(sensitive: dict[str, float], category: str | None) -> None:
    """What is half one category and half another is sensitive all the same."""
    objection = SensitiveTopicRule(0.5).objects_to(Observation(Source.TEXT, [], words="w", sensitive=sensitive))
    assert (objection and objection.category) == category


@pytest.mark.parametrize(
    ("words", "objects"),
    [
        ("напомни купить хлеб", True),
        ("明天天气怎么样", True),
        ("play some музыка please now", True),
        ("a café in Zürich, 10 °C, π", False),
        ("\u0441hurch", False),
        ("\U0001f44d\U0001f3fd", False),
        ("", False),
    ],
)
def test_other_scripts(words: str, objects: bool) -> None:
    """A word or two of another alphabet are too many; accents, symbols and look-alikes are not another language."""
    assert (LanguageRule().objects_to(said(words)) is not None) is objects


@pytest.mark.parametrize(
    ("heard", "probability", "risk", "category"),
    [
        (1.0, 0.4, 0.0, "topic"),
        (1.0, 0.5, 0.0, None),
        (0.9, 0.9, 0.0, None),
        (0.9, 0.9, 0.05, None),
        (0.8, 0.9, 0.0, "speech"),
        (0.9, 0.9, 0.15, "speech"),
        (0.9, 0.9, 0.3, "topic"),
        (1.0, 0.9, 1.1, "topic"),
    ],
)
def test_low_confidence(heard: float, probability: float, risk: float, category: str | None) -> None:
    """What was hardly heard, and what is hardly a topic for how likely it is to be sensitive, stays."""
    rule = ConfidenceRule(seen=0.2, typed=0.9, spoken=0.5)
    said = Observation(
        Source.VOICE,
        [TopicScore(672, probability, probability)],
        words="w",
        sensitive={"health": risk},
        heard_confidence=heard,
    )
    objection = rule.objects_to(said)
    assert (objection and objection.category) == category


def test_typed_words_have_a_floor_of_their_own() -> None:
    """They were not misheard, so their certainty is higher from the start."""
    rule = ConfidenceRule(seen=0.2, typed=0.6, spoken=0.3)
    topics = [TopicScore(672, 0.5, 0.5)]
    assert rule.objects_to(Observation(Source.VOICE, topics, words="w", heard_confidence=0.9)) is None
    assert rule.objects_to(Observation(Source.TEXT, topics, words="w")) == Objection("low_confidence", "topic")


def test_a_picture_needs_less_certainty_than_words() -> None:
    """Its tags are weighed before."""
    rule = ConfidenceRule(seen=0.2, typed=0.9, spoken=0.5)
    assert rule.objects_to(Observation(Source.PHOTO, [TopicScore(543, 0.3, 0.3)], sight=Sight([], 0))) is None


@pytest.mark.parametrize("topic", [*sorted(topics.withheld())[::7], 0, 1, 999_999])
def test_a_withheld_or_unknown_topic_drops(topic: int) -> None:
    """Whatever made the topic: the list is the last word."""
    assert SendableRule().objects_to(Observation(Source.TEXT, [TopicScore(topic, 1.0, 1.0)], words="w")) is not None


def test_a_sendable_topic_passes() -> None:
    """Walking is what the product is for."""
    assert SendableRule().objects_to(said("a walk")) is None


def test_the_policy_rule_names_the_refusal() -> None:
    """And lets through what is not refused."""
    rule = PolicyRule(lambda source: "region_excluded" if source is Source.VOICE else None)
    assert rule.objects_to(said("w")) == Objection("policy", "region_excluded")
    assert rule.objects_to(Observation(Source.TEXT, [], words="w")) is None


class TestSight:
    meanings = tag_meanings()
    rule = SightRule(meanings, threshold=0.1, text_share=0.12)

    def index_of(self, category: str | None) -> int:
        return next(index for index, meaning in enumerate(self.meanings) if meaning.sensitive == category)

    def judged(self, sight: Sight) -> Objection | None:
        return self.rule.objects_to(Observation(Source.PHOTO, [], sight=sight))

    @pytest.mark.parametrize("category", ["religion", "health", "weapons", "children"])
    def test_a_sensitive_tag_drops_even_when_it_is_not_the_first(self, category: str) -> None:
        """A tenth of a suspicion is enough, and a twentieth is not."""
        harmless = self.index_of(None)
        suspect = self.index_of(category)
        assert self.judged(Sight([Tag(harmless, 0.8), Tag(suspect, 0.15)], 0)) == Objection("sight", category)
        assert self.judged(Sight([Tag(harmless, 0.8), Tag(suspect, 0.05)], 0)) is None

    def test_people_and_much_text_drop(self) -> None:
        """Whatever else is in the picture."""
        harmless = [Tag(self.index_of(None), 0.9)]
        assert self.judged(Sight(harmless, 1)) == Objection("sight", "people")
        assert self.judged(Sight(harmless, 0, text_share=0.4)) == Objection("sight", "text")
        assert self.judged(Sight(harmless, 0, text_share=0.02)) is None
