"""Day scripts: what is read, and how a wrong one is refused."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from inkling_emulator.day import Day, Expectation, Expected, Kind, load
from inkling_emulator.demo import DAY
from inkling_emulator.errors import DayError


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A folder with one file of each kind, and the path of a script beside them."""
    for name in ("a.wav", "a.jpg", "a.mp4"):
        (tmp_path / name).touch()
    return tmp_path / "day.toml"


def written(script: Path, *inputs: str) -> Path:
    script.write_text("".join(f"[[input]]\n{lines}\n\n" for lines in inputs), encoding="utf-8")
    return script


def test_every_kind_of_input_is_read(script: Path) -> None:
    """With its value in the field that is its kind's, and files beside the script."""
    day = load(
        written(
            script,
            'at = 07:00:00\nsay = "a.wav"\nexpect = "released Interest | Pets"\nnote = "in the park"',
            'at = 07:00:00\noverheard = "a.wav"\nexpect = "unheard"',
            'at = 07:00:01\npush = "a.wav"\nexpect = "no topic"',
            'at = 07:01:00\nphoto = "a.jpg"\nexpect = "stopped sight"',
            'at = 07:01:00\nclip = "a.mp4"\nexpect = "stopped"',
            'at = 07:02:00\ntext = "a tent"\nexpect = "released"',
            "at = 07:03:00\nmute = true",
            'at = 07:04:00\nnetwork = "down"',
            "at = 07:05:00\nbattery = 9",
        )
    )
    assert [item.kind for item in day.inputs] == [
        Kind.SAY,
        Kind.OVERHEARD,
        Kind.PUSH,
        Kind.PHOTO,
        Kind.CLIP,
        Kind.TEXT,
        Kind.MUTE,
        Kind.NETWORK,
        Kind.BATTERY,
    ]
    said, overheard, pushed, photo, clip, typed, mute, network, battery = day.inputs
    assert (said.at, said.seconds, said.line, said.note) == (dt.time(7), 25_200, 1, "in the park")
    assert said.file == script.parent / "a.wav"
    assert said.expectation == Expectation(Expected.RELEASED, "Interest | Pets")
    assert overheard.expectation == Expectation(Expected.UNHEARD)
    assert pushed.expectation == Expectation(Expected.NO_TOPIC)
    assert photo.expectation == Expectation(Expected.STOPPED, "sight")
    assert clip.expectation == Expectation(Expected.STOPPED)
    assert (typed.text, typed.expectation) == ("a tent", Expectation(Expected.RELEASED))
    assert (mute.muted, network.word, battery.percent) == (True, "down", 9)


def test_typed_words_are_not_shown_by_repr(script: Path) -> None:
    """A script's text may be somebody's own."""
    assert "tent" not in repr(load(written(script, 'at = 07:02:00\ntext = "a tent"')))


def test_stretches_begin_and_end_with_the_server(script: Path) -> None:
    """Because its inputs concern all glasses at once."""
    day = load(
        written(
            script,
            'at = 07:00:00\ntext = "a"',
            'at = 07:01:00\nserver = "kill"',
            'at = 07:02:00\ntext = "b"',
            'at = 07:02:00\ntext = "c"',
            'at = 07:03:00\nserver = "start"',
        )
    )
    kinds = [[item.kind.value for item in stretch] for stretch in day.stretches()]
    assert kinds == [["text"], ["server"], ["text", "text"], ["server"]]


@pytest.mark.parametrize(
    ("lines", "line", "sentence"),
    [
        ('at = 07:00:00\nsing = "a.wav"', 3, "sing is not known; there are at, expect, note, say, overheard"),
        ("at = 07:00:00", 1, "an input has one of say, overheard"),
        ('at = 07:00:00\nsay = "a.wav"\ntext = "x"', 4, "an input has one of"),
        ('say = "a.wav"', 1, "at is a local time such as 07:30:00"),
        ('at = "seven"\nsay = "a.wav"', 2, "at is a local time such as 07:30:00"),
        ('at = 07:00:00\nsay = "a.jpg"', 3, "say is the name of a file that ends with .wav"),
        ('at = 07:00:00\nphoto = "a.wav"', 3, "photo is the name of a file that ends with .jpg or .jpeg or .png"),
        ('at = 07:00:00\nclip = "none.mp4"', 3, "there is no file"),
        ('at = 07:00:00\ntext = " "', 3, "text is what the wearer types, and not empty"),
        ("at = 07:00:00\nbattery = 101", 3, "battery is a whole number of percent, 0 to 100"),
        ("at = 07:00:00\nbattery = true", 3, "battery is a whole number of percent, 0 to 100"),
        ("at = 07:00:00\nmute = 1", 3, "mute is true or false"),
        ('at = 07:00:00\nnetwork = "off"', 3, "network is 'down' or 'up', not 'off'"),
        ('at = 07:00:00\nserver = "stop"', 3, "server is 'kill' or 'start', not 'stop'"),
        ('at = 07:00:00\nserver = "start"', 1, "it runs already"),
        ('at = 07:00:00\nmute = true\nexpect = "unheard"', 4, "nothing can be expected of mute"),
        ('at = 07:00:00\ntext = "x"\nexpect = "happy"', 4, "expect is 'released', 'released TOPIC', 'stopped'"),
        ('at = 07:00:00\ntext = "x"\nexpect = "unheard twice"', 4, "expect is"),
        ('at = 07:00:00\ntext = "x"\nexpect = "releasedly"', 4, "expect is"),
        ('at = 07:00:00\ntext = "x"\nnote = 3', 4, "note is a text"),
    ],
)
def test_a_wrong_input_is_refused_with_its_line(script: Path, lines: str, line: int, sentence: str) -> None:
    """The message names file, line and what is allowed."""
    with pytest.raises(DayError) as raised:
        load(written(script, lines))
    assert str(raised.value).startswith(f"{script}, line {line}: ")
    assert sentence in str(raised.value)


def test_the_line_is_that_of_the_input_that_is_wrong(script: Path) -> None:
    """Not that of an earlier one with the same key."""
    with pytest.raises(DayError, match="line 7: battery"):
        load(written(script, "at = 07:00:00\nbattery = 1", "# comment\nbattery = 999\nat = 07:00:00"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[[input]\n", "is not TOML"),
        ("", "holds no"),
        ("input = 3\n", "holds no"),
        ("input = [3]\n", "an input is a table"),
        ("day = 1\n[[input]]\nat = 07:00:00\nmute = true\n", "day is not known"),
    ],
)
def test_what_is_no_script_is_refused(script: Path, content: str, sentence: str) -> None:
    """Whatever stands in the file."""
    script.write_text(content, encoding="utf-8")
    with pytest.raises(DayError, match=sentence):
        load(script)


def test_a_script_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing file, and one that is not text."""
    with pytest.raises(DayError, match="cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "day.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DayError, match="is not TOML"):
        load(tmp_path / "day.toml")


def test_time_does_not_go_back(script: Path) -> None:
    """Inputs stand in the order in which they happen."""
    with pytest.raises(DayError, match="line 5: 06:59:59 is before 07:00:00"):
        load(written(script, "at = 07:00:00\nmute = true", "at = 06:59:59\nmute = false"))


def test_a_killed_server_is_started_again(script: Path) -> None:
    """Otherwise what the day brought could not be read back."""
    with pytest.raises(DayError, match="ends with the server killed"):
        load(written(script, 'at = 07:00:00\nserver = "kill"'))


class TestDemoDay:
    """The day that ships shows what it is there to show."""

    @pytest.fixture
    def day(self) -> Day:
        return load(DAY)

    def test_it_has_enough_of_everything(self, day: Day) -> None:
        """At least 24 inputs that are understood or not, an outage, and a server that is killed in it."""
        kinds = [item.kind for item in day.inputs]
        assert sum(item.expectation is not None for item in day.inputs) >= 24
        assert set(kinds) == set(Kind)
        assert [item.word for item in day.inputs if item.kind is Kind.SERVER] == ["kill", "start"]

    def test_every_file_is_listed_with_its_source(self, day: Day) -> None:
        """Photos and clips in the media's README, speech in the table from which it is made."""
        media = DAY.parent / "media"
        listed = (media / "README.md").read_text(encoding="utf-8")
        spoken = (DAY.parent / "speech.tsv").read_text(encoding="utf-8")
        shipped = {path.name for path in media.iterdir()} - {"README.md"}
        assert shipped == {item.file.name for item in day.inputs if item.file is not None}
        for name in shipped:
            assert f"`{name}`" in listed or f"\n{name}\t" in spoken, name

    def test_the_media_are_small(self) -> None:
        """They are cloned by everybody."""
        assert sum(path.stat().st_size for path in (DAY.parent / "media").iterdir()) < 12_000_000
