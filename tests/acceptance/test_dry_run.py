"""The dry run on real input with the real models: one object for each input, in order, whatever the input is."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest

from tests.acceptance.conftest import DryRun

pytestmark = pytest.mark.models

DATA = Path(__file__).parents[1] / "data"


def test_each_line_gets_one_object_in_order(dry_run: DryRun) -> None:
    """Empty, not English, overlong, not UTF-8 and hostile lines among them."""
    lines = [
        b"how do i train for a half marathon",
        b"",
        b"set a timer for ten minutes",
        b"I have been diagnosed with multiple sclerosis",
        b"\xff\xfe broken",
        b"x" * 1_000_000,
        "напомни мне купить хлеб".encode(),
        "\U0001f44d\U0001f3fd".encode(),
        b'{"text": "wait a moment"}',
    ]
    ran = dry_run("--text", "-", text=b"\n".join(lines))
    assert [outcome["input"] for outcome in ran.outcomes] == [f"-:{number}" for number in range(1, len(lines) + 1)]
    released = {index for index, outcome in enumerate(ran.outcomes) if outcome.get("released")}
    assert released == {0}
    assert ran.outcomes[0]["kind"] == "text"
    assert "words" not in ran.outcomes[0]
    assert ran.outcomes[3]["dropped"]["category"] == "health"
    assert {index for index, outcome in enumerate(ran.outcomes) if "error" in outcome} == {4, 5}
    assert ran.exit_code == 1


def test_a_released_topic_has_id_name_and_probability(dry_run: DryRun) -> None:
    """Nothing else, and the words only when asked for."""
    ran = dry_run("--text", "-", "--show-words", text=b"best skiing resorts for beginners\n")
    [outcome] = ran.outcomes
    assert outcome["words"] == "best skiing resorts for beginners"
    assert outcome["dropped"] is None
    [first, *_] = outcome["released"]
    assert set(first) == {"topic", "name", "probability"}
    assert first["name"].startswith(("Interest | ", "Purchase Intent | "))
    assert 0 < first["probability"] <= 1
    assert ran.exit_code == 0


def test_speech_photos_and_clips(dry_run: DryRun) -> None:
    """A trail in a recording, a cup of coffee in a photo; a picture of a person tells nothing."""
    files = ["speech/trail_slt.wav", "photos/coffee.jpg", "photos/astronaut.jpg", "clips/two_scenes.mp4"]
    ran = dry_run("--show-words", *(str(DATA / name) for name in files))
    speech, coffee, astronaut, clip = ran.outcomes
    assert ran.exit_code == 0
    assert (speech["kind"], coffee["kind"], clip["kind"]) == ("voice", "photo", "video")
    assert "trail" in speech["words"]
    assert [topic["name"] for topic in coffee["released"]]
    assert astronaut["released"] == []
    assert astronaut["dropped"] == {"rule": "sight", "category": "people"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.jpg", b""),
        ("empty.wav", b""),
        ("text.png", b"this is no picture"),
        ("cut.jpg", (DATA / "photos/coffee.jpg").read_bytes()[:600]),
        ("header_only.wav", struct.pack("<4sI4s", b"RIFF", 36, b"WAVE")),
        ("cut.mp4", (DATA / "clips/two_scenes.mp4").read_bytes()[:200]),
    ],
)
def test_damaged_media_gets_an_error_and_the_next_input_is_done(
    dry_run: DryRun, tmp_path: Path, name: str, content: bytes
) -> None:
    """The error says what to do, and nothing of it is a traceback."""
    damaged = tmp_path / name
    damaged.write_bytes(content)
    ran = dry_run(str(damaged), str(DATA / "photos/coffee.jpg"))
    assert ran.outcomes[0].keys() == {"input", "error"}
    assert ran.outcomes[0]["input"] == str(damaged)
    assert ran.outcomes[1]["kind"] == "photo"
    assert "Traceback" not in ran.stderr
    assert ran.exit_code == 1


def test_missing_files_get_an_error_each(dry_run: DryRun, tmp_path: Path) -> None:
    """A text file and a photo that are not there."""
    ran = dry_run("--text", str(tmp_path / "no.txt"), str(tmp_path / "no.jpg"))
    assert [set(outcome) for outcome in ran.outcomes] == [{"input", "error"}] * 2
    assert ran.exit_code == 1


def test_it_writes_nothing(dry_run: DryRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a state directory nor anything beside its inputs."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("INKLING_CACHE", str(tmp_path / "no-speech-model-needed"))
    photo = tmp_path / "coffee.jpg"
    shutil.copy(DATA / "photos/coffee.jpg", photo)
    ran = dry_run("--text", "-", str(photo), text=b"hiking\n")
    assert ran.exit_code == 0
    assert {path.name for path in tmp_path.rglob("*")} == {"coffee.jpg"}
