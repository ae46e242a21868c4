"""What flows through the pipeline, from samples of the world to interest events.

Everything that holds words, sound or pixels hides them from `repr`, so that they reach no log and no traceback.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000
"""Samples a second of all sound in the agent: what the speech model was trained on."""


class Source(enum.IntEnum):
    """How an interest was noticed. The numbers are those of `inkling.interests.v1.InterestSource`."""

    VOICE = 1
    TEXT = 2
    PHOTO = 3
    VIDEO = 4


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A stretch of sound: 16-bit signed little-endian mono PCM at `SAMPLE_RATE`."""

    pcm: bytes = field(repr=False)

    @property
    def seconds(self) -> float:
        return len(self.pcm) / (2 * SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture, upright, as BGR bytes of shape (height, width, 3): OpenCV's order."""

    pixels: npt.NDArray[np.uint8] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Clip:
    """A video file on the device, read once and never copied."""

    path: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """Text that the wearer typed to the assistant."""

    text: str = field(repr=False)


Sample = AudioChunk | Photo | Clip | Message
"""What a capture source yields."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said to the assistant, without the wake phrase, as the speech model heard it."""

    words: str = field(repr=False)
    confidence: float
    """Mean confidence of the words, 0 to 1, as the speech model gives it."""


@dataclass(frozen=True, slots=True)
class Tag:
    """One class of the image tagger with its probability."""

    index: int
    """Position in the ImageNet-1k labels sorted by WordNet id, 0 to 999."""
    probability: float


@dataclass(frozen=True, slots=True)
class Sight:
    """What the tagger and the face detector found in a photo, or pooled over the key frames of a clip."""

    tags: Sequence[Tag]
    """The most probable first."""
    faces: int
    """Number of faces; of a clip, the most in any key frame."""
    text_share: float = 0.0
    """Share of the picture's area that the text detector marked, 0 to 1; of a clip, the largest of any key frame."""


@dataclass(frozen=True, slots=True)
class TopicScore:
    """A topic of the Audience Taxonomy with its calibrated probability, 0 to 1."""

    topic: int
    probability: float
    certainty: float
    """How certain it is that there is a topic and that it is of this one's field, 0 to 1; of what was seen, the
    probability."""


@dataclass(frozen=True, slots=True)
class Observation:
    """All that is known of one thing the wearer said, typed or saw, when the guard judges it."""

    source: Source
    topics: Sequence[TopicScore]
    """The most probable first; empty for "no topic"."""
    words: str | None = field(default=None, repr=False)
    """What was said or typed; None for photos and video."""
    sight: Sight | None = field(default=None, repr=False)
    """What was seen; None for words."""
    sensitive: Mapping[str, float] = field(default_factory=dict, repr=False)
    """Probability of each sensitive category, as the classifier gives them."""
    heard_confidence: float = 1.0
    """Of speech, the mean confidence of its words, 0 to 1; 1 for everything else."""


@dataclass(frozen=True, slots=True)
class InterestEvent:
    """All that ever leaves the device of an observation. Made by the guard alone; it has no field for text."""

    topic: int
    """A sendable id of the Audience Taxonomy 1.1."""
    source: Source
    day: dt.date
    """Day in UTC, the finest time that leaves the device."""
    percentage: int
    """How sure the agent is of the topic, 1 to 100."""
