"""The rules the agent asks, in order: the cheap and absolute ones first, so that the reason named is the plainest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from inkling_device.observation import Source
from inkling_device.privacy.allowed import PolicyRule
from inkling_device.privacy.combination import CombinationRule, load_sets
from inkling_device.privacy.confidence import ConfidenceRule
from inkling_device.privacy.guard import Rule
from inkling_device.privacy.identifiers import IdentifierRule
from inkling_device.privacy.language import LanguageRule
from inkling_device.privacy.lexicon import LexiconRule
from inkling_device.privacy.sendable import SendableRule
from inkling_device.privacy.sensitive_topic import SensitiveTopicRule
from inkling_device.privacy.sight import SightRule
from inkling_device.see.tag_topics import tag_meanings
from inkling_device.understand.classifier import Calibration

SEEN_CONFIDENCE = 0.2
"""Probability under which no topic of a picture leaves."""
SENSITIVE_TAGS = 0.1
"""Summed probability of a picture's sensitive tags from which on it is dropped."""
TEXT_SHARE = 0.05
"""Share of a picture that is text from which on it is dropped: nobody here reads what the text says. Full pages measure
0.08 to 0.18."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the text model's probabilities must reach, chosen when it was trained."""

    sensitive: float
    """Probability of all sensitive categories together from which on words are dropped."""
    topic: float
    """Certainty of a topic of typed words from which on it may leave; see `confidence.certainty`."""
    spoken: float
    """The same for words that were heard."""

    @classmethod
    def of(cls, calibration: Calibration) -> Thresholds:
        return cls(calibration.sensitive_threshold, calibration.topic_threshold, calibration.spoken_threshold)


def standard_rules(
    *,
    thresholds: Thresholds,
    refusal: Callable[[Source], str | None],
    released_today: Callable[[], Collection[int]],
) -> Sequence[Rule]:
    """Every rule of the agent.

    `thresholds` come with the text model, `refusal` from the policy (None where recording is allowed), and
    `released_today` from the ledger.
    """
    return (
        PolicyRule(refusal),
        LanguageRule(),
        IdentifierRule(),
        LexiconRule.load(),
        SensitiveTopicRule(thresholds.sensitive),
        SightRule(tag_meanings(), threshold=SENSITIVE_TAGS, text_share=TEXT_SHARE),
        ConfidenceRule(seen=SEEN_CONFIDENCE, typed=thresholds.topic, spoken=thresholds.spoken),
        SendableRule(),
        CombinationRule(load_sets(), released_today),
    )
