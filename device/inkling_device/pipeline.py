"""The way of one sample, from what was said, typed or seen to what the guard lets out. Top to bottom, one path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from inkling_device.observation import Clip, Message, Observation, Photo, Sight, Source, TopicScore, Utterance
from inkling_device.privacy.guard import Guard, Verdict
from inkling_device.understand.classifier import TextClassifier


class Eyes(Protocol):
    """Looks at pictures; see `inkling_device.see`."""

    def look(self, photo: Photo) -> Sight: ...

    def watch(self, clip: Clip) -> Sight:
        """Raises `UnreadableMediaError` for a file that is no video."""
        ...


class Pipeline:
    """Makes an observation of a sample and asks the guard. Not for two threads at once: the models are not."""

    def __init__(
        self,
        *,
        classifier: TextClassifier,
        eyes: Eyes,
        topics_of: Callable[[Sight], Sequence[TopicScore]],
        guard: Guard,
    ) -> None:
        self._classifier = classifier
        self._eyes = eyes
        self._topics_of = topics_of
        self._guard = guard

    def hear(self, utterance: Utterance) -> Verdict:
        """Something said to the assistant."""
        return self._judge_words(Source.VOICE, utterance.words, utterance.confidence)

    def read(self, message: Message) -> Verdict:
        """Something typed to the assistant."""
        return self._judge_words(Source.TEXT, message.text, 1.0)

    def look(self, photo: Photo) -> Verdict:
        """A photo; its pixels go no further than this call."""
        return self._judge_sight(Source.PHOTO, self._eyes.look(photo))

    def watch(self, clip: Clip) -> Verdict:
        """A video, by its key frames. Raises `UnreadableMediaError` for a file that is none."""
        return self._judge_sight(Source.VIDEO, self._eyes.watch(clip))

    def _judge_words(self, source: Source, words: str, heard_confidence: float) -> Verdict:
        reading = self._classifier.read(words)
        return self._guard.judge(
            Observation(
                source,
                reading.topics,
                words=words,
                sensitive=reading.sensitive,
                heard_confidence=heard_confidence,
            )
        )

    def _judge_sight(self, source: Source, sight: Sight) -> Verdict:
        return self._guard.judge(Observation(source, self._topics_of(sight), sight=sight))
