"""The ear: lets through to transcription only what is said to the assistant.

    sound -> voice activity -> wake phrase (or push to talk) -> transcriber -> utterance

Speech that is not addressed to the assistant reaches the wake spotter, which knows one phrase, and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from inkling_device.listen.transcriber import Transcriber
from inkling_device.listen.voice import FRAME_BYTES, FRAME_SECONDS, Hysteresis, VoiceActivity
from inkling_device.listen.wake import Spotted, WakeSpotter
from inkling_device.observation import AudioChunk, Utterance


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """How long the ear waits for what. All in seconds of sound, so that replayed sound is heard as live sound is."""

    pre_roll: float = 0.24
    """Sound kept from before voice activity noticed speech: the first sounds of a word are faint."""
    spotting_block: float = 0.36
    """Sound given to the wake spotter at once; smaller costs more, larger answers later."""
    memory: float = 6.0
    """Speech kept while the wake phrase is looked for; what follows the phrase is in it once it is found."""
    end_silence: float = 0.9
    """A pause this long ends an utterance, where the transcriber has not ended it before."""
    patience: float = 5.0
    """How long the assistant waits for a first word after the wake phrase or the button."""
    longest: float = 20.0
    """An utterance ends here even if the speaker goes on."""
    first_word: float = 0.24
    """So much voice after the wake phrase is a word and not its echo."""
    transcribing_block: float = 0.24
    """Sound given to the transcriber at once."""


class _Frame(NamedTuple):
    pcm: bytes
    voiced: bool


class _Call(NamedTuple):
    """The wake phrase and what followed it so far."""

    phrase: list[_Frame]
    since: list[_Frame]


class Listener:
    """Hears utterances in a stream of sound. Not for two threads at once, but for `push_to_talk` and `mute`."""

    def __init__(
        self,
        voice: VoiceActivity,
        wake: WakeSpotter,
        transcriber: Transcriber,
        settings: ListenSettings | None = None,
    ) -> None:
        self._voice = voice
        self._wake = wake
        self._transcriber = transcriber
        self._settings = settings or ListenSettings()
        self._gate = Hysteresis()
        self._rest = b""
        self._speech: _Speech | None = None
        self._addressed: _Addressed | None = None
        self._pre_roll: deque[_Frame] = deque(maxlen=_frames(self._settings.pre_roll))
        self._pressed = False
        self._muted = False
        self._stale = False

    @property
    def muted(self) -> bool:
        return self._muted

    @property
    def addressed(self) -> bool:
        """Whether the assistant is listening to an utterance now."""
        return self._addressed is not None

    def push_to_talk(self) -> None:
        """What is said from now on is for the assistant, until the utterance ends. Nothing while muted."""
        self._pressed = not self._muted

    def mute(self, muted: bool = True) -> None:
        """While muted, sound is thrown away unheard; what was half heard before is forgotten."""
        self._muted = muted
        self._stale = self._stale or muted

    def forget(self) -> None:
        """Forgets what was half heard and a press of the button, as when there is sound that may not be heard."""
        self._rest = b""
        self._pressed = False
        self._forget_speech()
        if self._addressed is not None:
            self._transcriber.finish()
            self._addressed = None
        self._gate.reset()

    def hear(self, chunk: AudioChunk) -> list[Utterance]:
        """Takes the next sound; the utterances to the assistant that ended in it, mostly none.

        May take as long as the chunk lasts: call it outside the event loop.
        """
        if self._stale:
            self._stale = False
            self.forget()
        if self._muted:
            return []
        sound = self._rest + chunk.pcm
        whole = len(sound) - len(sound) % FRAME_BYTES
        self._rest = sound[whole:]
        frames = (sound[start : start + FRAME_BYTES] for start in range(0, whole, FRAME_BYTES))
        heard = (self._step(_Frame(pcm, self._voice.is_speech(pcm))) for pcm in frames)
        return [utterance for utterance in heard if utterance is not None]

    def finish(self) -> list[Utterance]:
        """The sound is over: the utterance that was still going on, if there is one."""
        self._rest = b""
        last = None
        if self._speech is not None:
            last = self._end_of_speech(self._speech)
        if last is None and self._addressed is not None:
            last = self._addressed.end()
        self._addressed = None
        self._gate.reset()
        return [last] if last is not None else []

    def _step(self, frame: _Frame) -> Utterance | None:
        if self._pressed:
            self._pressed = False
            if self._addressed is None:
                self._forget_speech()
                self._addressed = _Addressed(self._transcriber, self._settings, [])
        if self._addressed is not None:
            return self._listen([frame])
        return self._wait(frame)

    def _wait(self, frame: _Frame) -> Utterance | None:
        """Not addressed so far: looks for the wake phrase, in speech only."""
        speaking = self._gate.step(frame.voiced)
        if not speaking:
            self._pre_roll.append(frame)
            return None if self._speech is None else self._end_of_speech(self._speech)
        if self._speech is None:
            self._speech = _Speech(self._wake, self._settings, self._pre_roll)
            self._pre_roll.clear()
        return self._address(self._speech.add(frame))

    def _end_of_speech(self, speech: _Speech) -> Utterance | None:
        self._speech = None
        return self._address(speech.end())

    def _address(self, call: _Call | None) -> Utterance | None:
        """Opens the gate if the wake phrase was found."""
        if call is None:
            return None
        self._forget_speech()
        self._addressed = _Addressed(self._transcriber, self._settings, call.phrase)
        return self._listen(call.since)

    def _listen(self, frames: Iterable[_Frame]) -> Utterance | None:
        """Addressed: feeds the transcriber until the utterance ends, and closes the gate."""
        for frame in frames:
            if self._addressed is None:
                break
            utterance = self._addressed.add(frame)
            if self._addressed.over:
                self._addressed = None
                self._gate.reset()
                return utterance
        return None

    def _forget_speech(self) -> None:
        """The wake spotter's stretch ends with the gate open, and the frames before it are not needed any more."""
        if self._speech is not None:
            self._wake.end()
        self._speech = None
        self._pre_roll.clear()


class _Speech:
    """One stretch of speech that may hold the wake phrase."""

    def __init__(self, wake: WakeSpotter, settings: ListenSettings, pre_roll: Iterable[_Frame]) -> None:
        self._wake = wake
        self._block = _frames(settings.spotting_block)
        self._kept: deque[_Frame] = deque(pre_roll, maxlen=_frames(settings.memory))
        self._count = len(self._kept)
        self._unspotted = [frame.pcm for frame in self._kept]

    def add(self, frame: _Frame) -> _Call | None:
        """The call to the assistant, once it is heard."""
        self._kept.append(frame)
        self._count += 1
        self._unspotted.append(frame.pcm)
        if len(self._unspotted) < self._block:
            return None
        return self._call(self._spot())

    def end(self) -> _Call | None:
        """The same, at the end of the stretch."""
        found_early = self._spot() if self._unspotted else None
        found_late = self._wake.end()
        return self._call(found_early or found_late)

    def _spot(self) -> Spotted | None:
        block = b"".join(self._unspotted)
        self._unspotted.clear()
        return self._wake.feed(block)

    def _call(self, spotted: Spotted | None) -> _Call | None:
        if spotted is None:
            return None
        kept = list(self._kept)
        forgotten = self._count - len(kept)
        start = max(_frames(spotted.start) - forgotten, 0)
        end = max(_frames(spotted.end) - forgotten, 0)
        return _Call(kept[start:end], kept[end:])


class _Addressed:
    """One utterance to the assistant, from the open gate to its end."""

    def __init__(self, transcriber: Transcriber, settings: ListenSettings, phrase: Sequence[_Frame]) -> None:
        self._transcriber = transcriber
        self._settings = settings
        self._untold = [frame.pcm for frame in phrase]
        self._block = _frames(settings.transcribing_block)
        self._frames = 0
        self._voiced = 0
        self._quiet = 0
        self.over = False
        transcriber.begin(leave_out=len(phrase) * FRAME_SECONDS)

    def add(self, frame: _Frame) -> Utterance | None:
        self._frames += 1
        self._voiced += frame.voiced
        self._quiet = 0 if frame.voiced else self._quiet + 1
        self._untold.append(frame.pcm)
        if self._is_at_its_end():
            return self.end()
        if len(self._untold) < self._block:
            return None
        utterance = self._transcriber.feed(self._told())
        self.over = utterance is not None
        return utterance

    def end(self) -> Utterance | None:
        """Ends here, whether or not the speaker does."""
        self.over = True
        parts = (self._transcriber.feed(self._told()), self._transcriber.finish())
        return _joined([part for part in parts if part is not None])

    def _told(self) -> AudioChunk:
        chunk = AudioChunk(b"".join(self._untold))
        self._untold.clear()
        return chunk

    def _is_at_its_end(self) -> bool:
        seconds = self._frames * FRAME_SECONDS
        if self._voiced * FRAME_SECONDS < self._settings.first_word:
            return seconds >= self._settings.patience
        return self._quiet * FRAME_SECONDS >= self._settings.end_silence or seconds >= self._settings.longest


def _joined(parts: Sequence[Utterance]) -> Utterance | None:
    """Parts of one utterance as one, as sure as the least sure of them."""
    if not parts:
        return None
    return Utterance(" ".join(part.words for part in parts), min(part.confidence for part in parts))


def _frames(seconds: float) -> int:
    return round(seconds / FRAME_SECONDS)
