"""Processor time of listening, against bare Vosk on the same sound: addressed speech, talk to others, and silence.

Bare Vosk is a recognizer fed a quarter of a second at a time, and nothing else, with the language it came with. The
sound is that of the tests: short lines by synthetic voices, repeated, with the noise of a quiet room. Rounds alternate,
and the ratios are those of the medians. Also the word error rate of a dry run, against bare Vosk's on the same files.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import vosk

from inkling_device.capture.wav import read_wav
from inkling_device.listen.listener import Listener
from inkling_device.listen.transcriber import (
    LIVE_FRAMES_AT_ONCE,
    VoskTranscriber,
    load_speech_model,
    transcribe_addressed,
)
from inkling_device.listen.voice import WebRtcVoiceActivity
from inkling_device.listen.wake import VoskWakeSpotter
from inkling_device.models.fetch import speech_model
from inkling_device.observation import SAMPLE_RATE, AudioChunk

SPEECH = Path(__file__).parents[2] / "tests" / "data" / "speech"
SPOKEN = {
    "trail_slt": "hey glasses find me a hiking trail near the lake",
    "bread_rms": "hey glasses how do i bake sourdough bread",
    "guitar_espeak": "hey glasses which guitar is good for a beginner",
    "talk_slt": "the meeting moved to thursday so we can leave a little later and take the scenic road along the coast",
    "talk_awb": "i told her the train was late again and nobody at the station knew why",
}
TALK = [name for name in SPOKEN if name.startswith("talk")]
TARGETS = {"addressed": 1.05, "dry run": 1.05, "talk to others": 0.2, "silence": 0.03}
WORD_ERROR_TARGET = 0.5
"""Points of word error rate that a dry run may be worse than bare Vosk."""
CHUNK_BYTES = 3_840
"""As the microphone delivers."""
ROOM_NOISE = 60.0
"""Root mean square of the noise in the silence: -55 dB of full scale, a quiet room."""


def sound(name: str) -> bytes:
    return read_wav((SPEECH / f"{name}.wav").read_bytes()).pcm


def bare(model: vosk.Model, pcm: bytes) -> str:
    """The floor: what bare Vosk hears."""
    recognizer = vosk.KaldiRecognizer(model, SAMPLE_RATE)
    blocks = (pcm[start : start + 8_000] for start in range(0, len(pcm), 8_000))
    results = [recognizer.Result() for block in blocks if recognizer.AcceptWaveform(block)]
    return " ".join(json.loads(result)["text"] for result in [*results, recognizer.FinalResult()])


def new_ear(model: vosk.Model) -> Listener:
    """Made before the time is taken: an agent makes its ear once, and listens with it all day."""
    return Listener(WebRtcVoiceActivity(), VoskWakeSpotter(model), VoskTranscriber(model))


def listen(listener: Listener, pcm: bytes, *, addressed: bool) -> None:
    """The agent's ear on the same sound; `addressed` keeps the button pressed."""
    for start in range(0, len(pcm), CHUNK_BYTES):
        if addressed:
            listener.push_to_talk()
        listener.hear(AudioChunk(pcm[start : start + CHUNK_BYTES]))
    listener.finish()


def dry_run(model: vosk.Model, pcm: bytes) -> str:
    return " ".join(heard.words for heard in transcribe_addressed(VoskTranscriber(model), AudioChunk(pcm)))


def seconds(work: Callable[[], Any]) -> float:
    """Processor time, of all threads."""
    started = time.process_time()
    work()
    return time.process_time() - started


def ratio(prepare: Callable[[], Callable[[], Any]], floor: Callable[[], Any], rounds: int) -> float:
    """Of the medians of what `prepare` gives to time, and of the floor."""
    pairs = [(seconds(prepare()), seconds(floor)) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs) / statistics.median(pair[1] for pair in pairs)


def word_errors(heard: str, spoken: str) -> int:
    """Words to insert, delete or replace (Levenshtein)."""
    words = heard.split()
    row = list(range(len(words) + 1))
    for count, word in enumerate(spoken.split(), 1):
        before, row = row, [count]
        for at, other in enumerate(words):
            row.append(min(before[at] + (word != other), before[at + 1] + 1, row[at] + 1))
    return row[-1]


def word_error_rate(hear: Callable[[bytes], str]) -> float:
    errors = sum(word_errors(hear(sound(name)), spoken) for name, spoken in SPOKEN.items())
    return 100 * errors / sum(len(spoken.split()) for spoken in SPOKEN.values())


def repeated(names: Sequence[str], length: float) -> bytes:
    """`length` seconds of the named lines in turn, in a quiet room: no microphone delivers digital silence."""
    spoken = np.frombuffer(b"".join(sound(name) for name in names), "<i2")
    quiet = np.frombuffer(room(length), "<i2")
    mixed = np.resize(spoken, len(quiet)).astype(np.int32) + quiet
    return bytes(np.clip(mixed, -32768, 32767).astype("<i2").tobytes())


def room(length: float) -> bytes:
    noise = np.random.default_rng(1).normal(0, ROOM_NOISE, round(length * SAMPLE_RATE))
    return noise.astype("<i2").tobytes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short run that reports and never fails")
    quick = parser.parse_args().quick
    length, rounds = (15.0, 1) if quick else (60.0, 3)
    model = load_speech_model(speech_model())
    makers = load_speech_model(speech_model(), language=None)
    live = load_speech_model(speech_model(), frames_at_once=LIVE_FRAMES_AT_ONCE)
    everything, talk, silence = repeated(list(SPOKEN), length), repeated(TALK, length), room(length)
    reached = {
        "addressed": ratio(
            lambda: partial(listen, new_ear(live), everything, addressed=True), lambda: bare(makers, everything), rounds
        ),
        "dry run": ratio(lambda: partial(dry_run, model, everything), lambda: bare(makers, everything), rounds),
        "talk to others": ratio(
            lambda: partial(listen, new_ear(live), talk, addressed=False), lambda: bare(makers, talk), rounds
        ),
        "silence": ratio(
            lambda: partial(listen, new_ear(live), silence, addressed=False), lambda: bare(makers, silence), rounds
        ),
    }
    for name, value in reached.items():
        print(f"listen, {name}: {value:.3f} of bare Vosk's processor time (at most {TARGETS[name]})")
    floor = word_error_rate(lambda pcm: bare(makers, pcm))
    errors = word_error_rate(lambda pcm: dry_run(model, pcm))
    print(f"words: {errors:.1f} % wrong, bare Vosk {floor:.1f} % (at most {WORD_ERROR_TARGET} points more)")
    good = all(value <= TARGETS[name] for name, value in reached.items()) and errors - floor <= WORD_ERROR_TARGET
    return 0 if quick or good else 1


if __name__ == "__main__":
    sys.exit(main())
