"""Makes the demo's speech again from `speech.tsv`: `python synthesize.py`, with Debian's engines and SoX installed.

    apt-get install espeak-ng flite festival festvox-kallpc16k festvox-kdlpc16k festvox-us-slt-hts sox

The licences of the voices are in `media/README.md`.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SPEECH = HERE / "speech.tsv"
MEDIA = HERE / "media"

WORDS_PER_MINUTE = "150"
"""Of espeak-ng, whose own 175 the speech model follows badly."""
WAV = ("-r", "16000", "-b", "16", "-c", "1")


@dataclass(frozen=True, slots=True)
class Room:
    """Where somebody speaks: how loud they are, what the room adds."""

    level: str
    """Peak of the voice in dB of full scale."""
    noise: str
    """Amplitude of the pink noise."""
    reverberance: str
    """In percent, as SoX counts it."""


ROOMS: Mapping[str, Room] = {
    "kitchen": Room("-7", "0.006", "18"),
    "living room": Room("-8", "0.003", "10"),
    "office": Room("-8", "0.004", "8"),
    "street": Room("-6", "0.010", "0"),
    "tram": Room("-14", "0.012", "12"),
}


def by_espeak(voice: str, words: str, wav: Path) -> None:
    subprocess.run(["espeak-ng", "-v", voice, "-s", WORDS_PER_MINUTE, "-w", wav, words], check=True)


def by_flite(voice: str, words: str, wav: Path) -> None:
    subprocess.run(["flite", "-voice", voice, "-t", words, "-o", wav], check=True)


def by_festival(voice: str, words: str, wav: Path) -> None:
    command = ["text2wave", "-eval", f"(voice_{voice})", "-o", str(wav)]
    subprocess.run(command, check=True, input=words.encode())


ENGINES: Mapping[str, Callable[[str, str, Path], None]] = {
    "espeak-ng": by_espeak,
    "flite": by_flite,
    "festival": by_festival,
}


def into_the_room(voice: Path, room: Room, wav: Path) -> None:
    """Brings the voice to 16 kHz and its level, and adds the room. Gives the same bytes every time (`sox -R`)."""
    echo: Sequence[str] = ("reverb", room.reverberance, "60", "20") if room.reverberance != "0" else ()
    dry = voice.with_suffix(".dry.wav")
    # The gain leaves headroom for resampling; the level is set after it.
    effects = ("gain", "-6", "pad", "0.2", "0.3", *echo, "rate", "16000", "norm", room.level)
    subprocess.run(["sox", "-R", voice, *WAV, dry, *effects], check=True)
    seconds = subprocess.run(["soxi", "-D", dry], check=True, capture_output=True, text=True).stdout.strip()
    noise = voice.with_suffix(".noise.wav")
    subprocess.run(["sox", "-R", "-n", *WAV, noise, "synth", seconds, "pinknoise", "vol", room.noise], check=True)
    subprocess.run(["sox", "-R", "-m", "-v", "1", dry, "-v", "1", noise, *WAV, wav], check=True)


def main() -> int:
    with SPEECH.open(encoding="utf-8", newline="") as file, tempfile.TemporaryDirectory() as scratch:
        for row in csv.DictReader(file, delimiter="\t"):
            voice = Path(scratch) / "voice.wav"
            ENGINES[row["engine"]](row["voice"], row["words"], voice)
            into_the_room(voice, ROOMS[row["room"]], MEDIA / row["file"])
            print(f"{row['file']}: {row['engine']} {row['voice']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
