"""The ear: what reaches transcription, and what never does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from inkling_device.listen.listener import Listener, ListenSettings
from inkling_device.listen.transcriber import FakeTranscriber, transcribe_addressed
from inkling_device.listen.voice import FRAME_BYTES, FakeVoiceActivity, Hysteresis, VoiceActivity, WebRtcVoiceActivity
from inkling_device.listen.wake import FakeWakeSpotter
from inkling_device.observation import SAMPLE_RATE, AudioChunk, Utterance

MARK = b"\x07\x07" * 4_800  # 0.3 s that stand for "hey glasses"
SILENCE = bytes(33 * FRAME_BYTES)  # 1 s, in whole frames
HEARD = Utterance("find a trail", 0.9)


def speech(seconds: float, value: int = 1) -> bytes:
    return bytes([value, 0]) * round(seconds * SAMPLE_RATE)


class Ear:
    """A listener on fakes, fed in chunks of any size."""

    def __init__(self, utterances: Sequence[Utterance] = (HEARD,), chunk: int = 6_400) -> None:
        self.wake = FakeWakeSpotter(MARK)
        self.transcriber = FakeTranscriber(utterances)
        self.listener = Listener(FakeVoiceActivity(), self.wake, self.transcriber)
        self._chunk = chunk

    def hears(self, *sounds: bytes) -> list[Utterance]:
        sound = b"".join(sounds)
        starts = range(0, len(sound), self._chunk)
        return [u for s in starts for u in self.listener.hear(AudioChunk(sound[s : s + self._chunk]))]


@pytest.mark.parametrize("chunk", [320, 960, 3_840, 6_400, 1_000_000])
def test_speech_after_the_wake_phrase_is_transcribed(chunk: int) -> None:
    """The utterance is what follows the phrase, whatever the chunks; the phrase is heard along but left out."""
    ear = Ear(chunk=chunk)
    assert ear.hears(SILENCE, MARK, speech(2, 2), SILENCE) == [HEARD]
    fed = bytes(ear.transcriber.fed)
    assert fed.startswith(MARK)
    assert ear.transcriber.left_out == pytest.approx(0.3, abs=0.04)
    assert fed.count(speech(2, 2)) == 1
    assert not ear.listener.addressed


def test_speech_to_others_is_never_transcribed() -> None:
    """Without the wake phrase nothing reaches the transcriber, however long people talk."""
    ear = Ear()
    assert ear.hears(SILENCE, speech(30), SILENCE, speech(3), SILENCE) == []
    assert ear.transcriber.fed == b""


def test_what_was_said_before_the_phrase_is_not_transcribed() -> None:
    """A phrase in the middle of talk opens the gate for what follows it alone."""
    ear = Ear()
    assert ear.hears(SILENCE, speech(10, 3), MARK, speech(1, 2), SILENCE) == [HEARD]
    assert speech(0.1, 3) not in ear.transcriber.fed
    assert speech(1, 2) in ear.transcriber.fed


def test_the_gate_closes_after_one_utterance() -> None:
    """What is said next is for others again, until the next phrase."""
    ear = Ear([HEARD, Utterance("bake bread", 0.8)])
    assert ear.hears(MARK, speech(1), SILENCE, speech(5, 3), SILENCE) == [HEARD]
    assert speech(0.1, 3) not in ear.transcriber.fed
    assert [u.words for u in ear.hears(MARK, speech(1), SILENCE)] == ["bake bread"]


def test_silence_reaches_no_recognizer() -> None:
    """While nobody speaks there is nothing to do."""
    ear = Ear()
    ear.hears(SILENCE * 10)
    assert ear.wake.fed == ear.transcriber.fed == b""


def test_the_beginning_of_speech_is_kept() -> None:
    """Voice activity notices late; the sound just before is heard too."""
    ear = Ear()
    ear.hears(SILENCE, speech(1, 2), SILENCE)
    assert ear.wake.fed.startswith(bytes(FRAME_BYTES))
    assert speech(1, 2) in ear.wake.fed


def test_push_to_talk_needs_no_phrase() -> None:
    """From the button on, what is said is for the assistant; what came before is not."""
    ear = Ear()
    ear.hears(SILENCE, speech(2, 3))
    ear.listener.push_to_talk()
    assert ear.hears(speech(2, 2), SILENCE) == [HEARD]
    assert speech(0.1, 3) not in ear.transcriber.fed
    assert speech(2, 2) in ear.transcriber.fed


@pytest.mark.parametrize("opened", ["phrase", "button"])
def test_the_assistant_does_not_wait_for_ever(opened: str) -> None:
    """A call that nothing follows closes after some seconds; talk after that is for others."""
    ear = Ear([])
    if opened == "button":
        ear.listener.push_to_talk()
    ear.hears(MARK if opened == "phrase" else b"", SILENCE * 6)
    assert not ear.listener.addressed
    ear.transcriber.fed.clear()
    ear.hears(speech(3))
    assert ear.transcriber.fed == b""


def test_a_pause_after_the_phrase_is_allowed() -> None:
    """ "Hey glasses" - a breath - and then the wish."""
    ear = Ear()
    assert ear.hears(SILENCE, MARK, SILENCE * 2, speech(1), SILENCE) == [HEARD]


def test_an_utterance_has_a_longest_length() -> None:
    """Somebody who never stops is cut off, and heard up to there."""
    ear = Ear()
    assert ear.hears(MARK, speech(60, 2)) == [HEARD]
    assert len(ear.transcriber.fed) <= (ListenSettings().longest + 1) * 2 * SAMPLE_RATE


def test_the_end_of_the_sound_ends_the_utterance() -> None:
    """A recording that stops in mid-sentence gives what was said."""
    ear = Ear()
    assert ear.hears(MARK, speech(2)) == []
    assert ear.listener.finish() == [HEARD]
    assert ear.listener.finish() == []


def test_mute_stops_everything() -> None:
    """Muted, nothing is heard, the button does nothing, and what was half heard is forgotten for good."""
    ear = Ear([Utterance("half a secret", 0.9), HEARD])
    ear.hears(MARK, speech(1, 3))
    ear.listener.mute()
    fed = len(ear.wake.fed), len(ear.transcriber.fed)
    ear.listener.push_to_talk()
    assert ear.hears(MARK, speech(5), SILENCE) == []
    assert (len(ear.wake.fed), len(ear.transcriber.fed)) == fed
    ear.listener.mute(False)
    assert ear.hears(speech(1), SILENCE) == []
    assert ear.hears(MARK, speech(1), SILENCE) == [HEARD]


def test_muting_for_a_moment_forgets_too() -> None:
    """Muted and unmuted between two chunks, the utterance before is gone all the same."""
    ear = Ear([Utterance("half a secret", 0.9), HEARD])
    ear.hears(MARK, speech(1))
    ear.listener.mute()
    ear.listener.mute(False)
    assert ear.hears(SILENCE, speech(1), SILENCE) == []


@pytest.mark.parametrize("call", ["button", "phrase", "words"])
def test_what_is_forgotten_is_not_answered_later(call: str) -> None:
    """A press, an open gate, half an utterance: what is said afterwards is for others, until the next phrase."""
    ear = Ear([Utterance("half a secret", 0.9), HEARD])
    if call == "button":
        ear.listener.push_to_talk()
    else:
        ear.hears(MARK, speech(1 if call == "words" else 0))
    ear.listener.forget()
    fed = len(ear.transcriber.fed)
    assert ear.hears(speech(2), SILENCE) == []
    assert len(ear.transcriber.fed) == fed
    heard = ear.hears(MARK, speech(1), SILENCE)
    assert len(heard) == 1


def test_transcribe_addressed_feeds_every_byte_once() -> None:
    """A whole recording is taken as it is: nothing cut, nothing twice."""
    transcriber = FakeTranscriber([HEARD])
    sound = np.random.default_rng(1).integers(0, 255, 33_333, np.uint8).tobytes()
    assert transcribe_addressed(transcriber, AudioChunk(sound)) == [HEARD]
    assert transcriber.fed == sound


def test_hysteresis_ignores_clicks_and_breaths() -> None:
    """One voiced frame is no speech, one quiet frame no end."""
    gate = Hysteresis(begin=3, within=5, end=4)
    clicks = [gate.step(voiced) for voiced in (True, False, False, True, False, False, False)]
    assert not any(clicks)
    begun = [gate.step(True) for _ in range(3)]
    assert begun == [False, False, True]
    breath = [gate.step(voiced) for voiced in (False, False, False, True, False, False, False, False)]
    assert breath == [True] * 7 + [False]


def _noise(level: float, seconds: float = 10) -> bytes:
    rng = np.random.default_rng(2)
    return rng.normal(0, level, round(seconds * SAMPLE_RATE)).astype("<i2").tobytes()


def _voiced(detector: VoiceActivity, sound: bytes) -> list[bool]:
    return [detector.is_speech(sound[s : s + FRAME_BYTES]) for s in range(0, len(sound) - FRAME_BYTES + 1, FRAME_BYTES)]


@pytest.mark.parametrize("make", [WebRtcVoiceActivity, FakeVoiceActivity])
def test_digital_silence_is_no_speech(make: Callable[[], VoiceActivity]) -> None:
    """Every detector, the fake too, is quiet when the microphone is."""
    assert not any(_voiced(make(), SILENCE))


@pytest.mark.parametrize("level", [5, 60, 600])
def test_steady_noise_is_no_speech_for_long(level: float) -> None:
    """The hum of a room is the room, once it has been heard for a while."""
    voiced = _voiced(WebRtcVoiceActivity(), _noise(level))
    assert sum(voiced[-100:]) == 0


def test_fake_pieces_behave_as_real_ones_must() -> None:
    """The fake spotter finds its mark once a stretch, and again in the next."""
    spotter = FakeWakeSpotter(MARK)
    found = spotter.feed(bytes(32_000) + MARK)
    assert found is not None
    assert (found.start, found.end) == (1.0, 1.3)
    assert spotter.feed(bytes(100)) is None
    assert spotter.end() is None
    assert spotter.feed(MARK) is not None


def test_an_utterance_hides_its_words() -> None:
    """Not even a crash report tells what was said."""
    assert "trail" not in repr(HEARD)
