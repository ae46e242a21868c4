"""The eye: what a photo or a clip shows, in tags, without who is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from inkling_device import tflite
from inkling_device.models import check, inventory
from inkling_device.observation import Clip, Photo, Sight, Tag
from inkling_device.see.faces import BlazeFaceDetector, FaceDetector
from inkling_device.see.keyframes import key_frames
from inkling_device.see.tag_topics import TagMeaning, tag_meanings
from inkling_device.see.tagger import LEAST_PROBABILITY, EfficientNetTagger, Tagger
from inkling_device.see.text import PaddleTextDetector, TextDetector


class Eye:
    """Looks at pictures. Not for two threads at once."""

    def __init__(
        self,
        tagger: Tagger,
        faces: FaceDetector,
        text: TextDetector,
        meanings: Sequence[TagMeaning] | None = None,
    ) -> None:
        """`meanings` says which tags are sensitive; by default those that ship."""
        self._tagger = tagger
        self._faces = faces
        self._text = text
        self._meanings = tag_meanings() if meanings is None else meanings

    def look(self, photo: Photo) -> Sight:
        """What `photo` shows. A picture with a face in it is not tagged at all."""
        faces = self._faces.count(photo)
        if faces:
            return Sight((), faces)
        return Sight(self._tagger.tag(photo), 0, self._text.share(photo))

    def watch(self, clip: Clip) -> Sight:
        """What `clip` shows, by its key frames. Takes about as long as decoding the clip.

        Raises `UnreadableMediaError` if nothing of it can be decoded.
        """
        sights = [self.look(photo) for photo in key_frames(clip)]
        faces = max(sight.faces for sight in sights)
        if faces:
            return Sight((), faces)
        tags = pooled((sight.tags for sight in sights), self._meanings)
        return Sight(tags, 0, max(sight.text_share for sight in sights))


def open_eye(slot: tflite.Slot | None = None) -> Eye:
    """An eye with the models that ship, checked. They take turns in `slot`, by default one of their own.

    Raises what `check.load` raises.
    """
    slot = slot or tflite.Slot()
    return Eye(
        EfficientNetTagger(check.load(inventory.TAGGER.name, slot)),
        BlazeFaceDetector(check.load(inventory.FACES.name, slot)),
        PaddleTextDetector(check.load(inventory.TEXT_DETECTOR.name, slot)),
    )


def pooled(frames: Iterable[Sequence[Tag]], meanings: Sequence[TagMeaning]) -> Sequence[Tag]:
    """One list of tags for several frames.

    A harmless tag counts with its mean over the frames but the one where it is surest, so that one stray frame decides
    nothing. A sensitive tag counts with that surest frame, so that one glimpse is enough to drop the clip.
    """
    by_frame: list[Mapping[int, float]] = [{tag.index: tag.probability for tag in tags} for tags in frames]
    tags = []
    for index in {index for frame in by_frame for index in frame}:
        probabilities = sorted((frame.get(index, 0.0) for frame in by_frame), reverse=True)
        if meanings[index].sensitive is None and len(probabilities) > 1:
            rest = probabilities[1:]
            probability = sum(rest) / len(rest)
        else:
            probability = probabilities[0]
        if probability >= LEAST_PROBABILITY:
            tags.append(Tag(index, probability))
    return sorted(tags, key=lambda tag: (-tag.probability, tag.index))
