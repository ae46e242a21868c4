"""Speaks written lines in synthetic voices, in a room with noise, and writes down what Vosk hears.

    python tools/models/speak.py IN.tsv... --out OUT.tsv [--count N] [--seed N]

What the guard gets in real life is recognised speech with its errors, so a part of the lines goes this way. Needs the
Debian packages espeak-ng, flite, festival, festvox-kdlpc16k, festvox-us-slt-hts and libttspico-utils; the voices of an
engine that is missing are left out, with a word. Each line is `label<TAB>what was heard<TAB>confidence`; a line of
which nothing is heard is left out and counted. For training, `--least-kept 0.45` leaves out what nobody could tell any
more, and `--language` takes one that has not read the lines (see `speech_language.py`).
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import lines as written
import numpy as np
import numpy.typing as npt

from inkling_device.capture.wav import read_wav
from inkling_device.listen.transcriber import VoskTranscriber, load_speech_model, transcribe_addressed
from inkling_device.models import fetch
from inkling_device.models.inventory import SPEECH_LANGUAGE
from inkling_device.observation import SAMPLE_RATE, AudioChunk, Utterance

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice of one engine."""

    program: str
    name: str

    def speak(self, words: str, wav: Path) -> None:
        """Writes a WAV file. Raises `subprocess.CalledProcessError`."""
        arguments: dict[str, Callable[[], Sequence[str]]] = {
            "espeak-ng": lambda: ["espeak-ng", "-v", self.name, "-s", "150", "-w", str(wav), words],
            "flite": lambda: ["flite", "-voice", self.name, "-t", words, "-o", str(wav)],
            "text2wave": lambda: ["text2wave", "-eval", f"(voice_{self.name})", "-o", str(wav)],
            "pico2wave": lambda: ["pico2wave", "-l", self.name, "-w", str(wav), words],
        }
        spoken = words.encode() if self.program == "text2wave" else None
        subprocess.run(arguments[self.program](), input=spoken, check=True, capture_output=True, timeout=30)


VOICES = (
    Voice("espeak-ng", "en-us"),
    Voice("espeak-ng", "en-us+f3"),
    Voice("espeak-ng", "en-gb"),
    Voice("espeak-ng", "en-gb-scotland"),
    Voice("flite", "slt"),
    Voice("flite", "rms"),
    Voice("flite", "awb"),
    Voice("flite", "kal16"),
    Voice("text2wave", "kal_diphone"),
    Voice("text2wave", "ked_diphone"),
    Voice("text2wave", "cmu_us_slt_arctic_hts"),
    Voice("pico2wave", "en-US"),
    Voice("pico2wave", "en-GB"),
)
QUIET = 0.4
"""Share of the lines that are recognised as spoken, without a room around them."""


SPEAKABLE = re.compile(r"[A-Za-z' ,.?!;:-]+")
"""What every engine reads as a person would say it: no figures, hashtags, addresses, letters of other languages."""


def in_a_room(sound: AudioChunk, chance: np.random.Generator) -> AudioChunk:
    """`sound` as a microphone on the wearer's own head has it: the echo of a room 10 to 25 dB below the voice, with a
    decay of 0.1 to 0.3 s, and steady noise 15 to 35 dB below it."""
    samples = np.frombuffer(sound.pcm, np.int16).astype(np.float32)
    length = int(SAMPLE_RATE * chance.uniform(0.1, 0.3))
    echo = chance.normal(0, 1, length).astype(np.float32) * np.exp(-6.9 * np.arange(length, dtype=np.float32) / length)
    echo *= 10 ** (-chance.uniform(10, 25) / 20) / float(np.sqrt(np.sum(echo**2)))
    echo[0] = 1.0
    heard: Floats = np.convolve(samples, echo)[: len(samples)].astype(np.float32)
    level = float(np.sqrt(np.mean(heard**2))) * 10 ** (-chance.uniform(15, 35) / 20)
    noisy = heard + chance.normal(0, level, len(heard)).astype(np.float32)
    noisy *= 20_000 / max(float(np.abs(noisy).max()), 1.0)
    return AudioChunk(noisy.astype(np.int16).tobytes())


def recognised(line: written.Line, voice: Voice, seed: int, transcriber: VoskTranscriber) -> Utterance | None:
    """What Vosk hears of a line; None for nothing, and where the engine cannot speak it."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        try:
            voice.speak(line.text, Path(file.name))
        except subprocess.SubprocessError:
            return None
        sound = read_wav(Path(file.name).read_bytes())
    chance = np.random.default_rng(seed)
    if chance.random() >= QUIET:
        sound = in_a_room(sound, chance)
    heard = transcribe_addressed(transcriber, sound)
    if not heard:
        return None
    lengths = [len(utterance.words.split()) for utterance in heard]
    confidence = sum(n * utterance.confidence for n, utterance in zip(lengths, heard, strict=True)) / sum(lengths)
    return Utterance(" ".join(utterance.words for utterance in heard), confidence)


def kept_words(text: str, heard: str) -> float:
    """Share of the words of `text` that stand in `heard`."""
    words = re.findall(r"[a-z']+", text.lower())
    left = Counter(heard.split())
    return sum((Counter(words) & left).values()) / max(len(words), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=400, help="how many lines to take, spread over the files")
    parser.add_argument(
        "--least-kept", type=float, default=0.0, help="leave out lines of which a smaller share of the words was heard"
    )
    parser.add_argument("--language", type=Path, default=SPEECH_LANGUAGE, help="in place of the one that ships")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    voices = [voice for voice in VOICES if shutil.which(voice.program)]
    for program in {voice.program for voice in VOICES} - {voice.program for voice in voices}:
        print(f"{program} is not installed; its voices are left out")
    if not voices:
        print("no speech engine is installed: apt-get install espeak-ng flite festival libttspico-utils")
        return 1
    chance = random.Random(args.seed)
    chosen = [line for path in args.files for line in written.read(path) if SPEAKABLE.fullmatch(line.text)]
    chosen = chance.sample(chosen, min(args.count, len(chosen)))
    model = load_speech_model(fetch.speech_model(), language=args.language)
    workers = 2
    transcribers = [VoskTranscriber(model) for _ in range(workers)]

    def share(worker: int) -> list[tuple[int, Utterance | None]]:
        return [
            (index, recognised(line, voices[index % len(voices)], args.seed + index, transcribers[worker]))
            for index, line in enumerate(chosen)
            if index % workers == worker
        ]

    with ThreadPoolExecutor(workers) as pool:
        heard = dict(pair for part in pool.map(share, range(workers)) for pair in part)
    told = [(line, utterance) for index, line in enumerate(chosen) if (utterance := heard[index]) is not None]
    shares = [kept_words(line.text, utterance.words) for line, utterance in told]
    kept = [pair for pair, share in zip(told, shares, strict=True) if share >= args.least_kept]
    args.out.write_text(
        "".join(f"{line.label}\t{utterance.words}\t{utterance.confidence:.2f}\n" for line, utterance in kept),
        encoding="utf-8",
    )
    print(
        f"{len(kept)} lines heard in {len(voices)} voices, {len(chosen) - len(kept)} left out;"
        f" {sum(shares) / len(chosen):.0%} of the words heard"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
