"""Peak memory of the agent's process with all models loaded, after speech, photos and text, beside that of bare Vosk.

Each is measured in a process of its own, as the kernel counts it (`VmHWM`: code, data and mapped files in memory).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

TARGET_MB = 320
DATA = Path(__file__).parents[2] / "tests/data"

BARE_VOSK = """
import vosk
from inkling_device.models import fetch
from inkling_device.capture.wav import read_wav
vosk.SetLogLevel(-1)
recognizer = vosk.KaldiRecognizer(vosk.Model(str(fetch.speech_model())), 16000)
for path in SPEECH:
    sound = read_wav(path.read_bytes())
    for start in range(0, len(sound.pcm), 8000):
        recognizer.AcceptWaveform(sound.pcm[start : start + 8000])
    recognizer.FinalResult()
"""
AGENT = """
from inkling_device import cli
from inkling_device.capture.files import read_media
from inkling_device.listen.listener import Listener
from inkling_device.listen.voice import WebRtcVoiceActivity
from inkling_device.models.senses import Senses
senses = Senses.load()
listener = Listener(WebRtcVoiceActivity(), senses.wake_spotter(), senses.transcriber())
for path in SPEECH:
    listener.push_to_talk()
    listener.hear(read_media(path))
    listener.finish()
for path in PHOTOS:
    senses.eyes.look(read_media(path))
senses.classifier.read("which hiking boots suit a muddy trail")
"""
PREFIX = """
from pathlib import Path
DATA = Path({data!r})
SPEECH = sorted(DATA.glob("speech/*.wav"))
PHOTOS = sorted(DATA.glob("photos/*.jpg"))
"""
PEAK = """
import re
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def peak_mb(work: str) -> float:
    """Peak of a fresh process that does `work`: the lesser of two, for the first ever run also compiles modules."""
    script = PREFIX.format(data=str(DATA)) + work + PEAK
    runs = [subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True) for _ in "12"]
    return min(float(done.stdout.split()[-1]) for done in runs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="report only, never fail")
    quick = parser.parse_args().quick
    bare, agent = peak_mb(BARE_VOSK), peak_mb(AGENT)
    print(f"bare Vosk {bare:.0f} MB; agent {agent:.0f} MB, {agent / bare:.2f} of it; target {TARGET_MB} MB")
    return 0 if quick or agent <= TARGET_MB else 1


if __name__ == "__main__":
    sys.exit(main())
