"""Settings: a file, then the environment; every mistake is named exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from inkling_device import settings as module
from inkling_device.errors import SettingsError
from inkling_device.settings import Settings, load


@pytest.fixture(autouse=True)
def no_default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "default" / "device.toml"
    monkeypatch.setattr(module, "default_file", lambda: path)
    return path


def file(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "device.toml"
    path.write_text(content, encoding="utf-8")
    return path


def test_without_file_and_variables_the_defaults_hold() -> None:
    assert load({}) == Settings()
    assert Settings().state_dir.is_absolute()


def test_a_file_sets_what_it_names(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        """
        server = "https://inkling.example"
        microphone = "arecord -q -t raw -f S16_LE -r 16000 -c 1"
        speaker = ["espeak-ng", "--stdin"]
        watched_folder = "/srv/photos"
        insecure = false
        outbox_days = 30
        gather_seconds = 5
        """,
    )
    settings = load({}, path)
    assert settings.microphone == ("arecord", "-q", "-t", "raw", "-f", "S16_LE", "-r", "16000", "-c", "1")
    assert settings.speaker == ("espeak-ng", "--stdin")
    assert settings.watched_folder == Path("/srv/photos")
    assert (settings.outbox_days, settings.gather_seconds) == (30, 5.0)


def test_the_default_file_is_read_where_it_exists(no_default_file: Path) -> None:
    no_default_file.parent.mkdir()
    no_default_file.write_text("outbox_days = 7")
    assert load({}).outbox_days == 7


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    environment = {
        "INKLING_DEVICE_OUTBOX_DAYS": "8",
        "INKLING_DEVICE_INSECURE": "true",
        "INKLING_DEVICE_SERVER": "http://127.0.0.1:8080",
        "INKLING_DEVICE_LIGHT_COMMAND": "light --pin '1 7'",
        "INKLING_DEVICE_WATCHED_FOLDER": "",
        "INKLING_CACHE": "is not ours",
    }
    settings = load(environment, file(tmp_path, "outbox_days = 30\nwatched_folder = '/srv'"))
    assert settings.outbox_days == 8
    assert settings.insecure
    assert settings.light_command == ("light", "--pin", "1 7")
    assert settings.watched_folder is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("microfone = 'x'", r"device.toml: microfone is not a setting; there are state_dir, server"),
        ("wake_phrase = 'hey you'", "wake_phrase is not a setting"),
        ("outbox_days = 'many'", "outbox_days cannot be 'many': it is a whole number"),
        ("outbox_days = 1.5", "it is a whole number"),
        ("outbox_days = true", "it is a whole number"),
        ("insecure = 1", "insecure cannot be 1: it is true or false"),
        ("server = 5", "it is a text"),
        ("watched_folder = 5", "it is a path"),
        ("state_dir = ''", "it is a path"),
        ("microphone = ['a', 5]", "it is a command"),
        ('microphone = "arecord \'"', "is not a command"),
        ("gather_seconds = nan", "gather_seconds must be at least 0"),
        ("gather_seconds = -1", "gather_seconds must be at least 0"),
        ("outbox_bytes = 10", "outbox_bytes must be at least 65536"),
        ("outbox_days = 541", "540 at most"),
        ("log_level = 'LOUD'", "DEBUG, INFO, WARNING or ERROR"),
        ("server = 'inkling.example'", "write https://HOST"),
        ("server = 'http://inkling.example'", "or set insecure"),
        ("light_file = '/a'\nlight_command = 'b'", "there is one capture light"),
        ("outbox_days = ", "is not TOML"),
        ("[server]\nx = 1", "it is a text"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load({}, file(tmp_path, content))


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("INKLING_DEVICE_OUTBOX_DAY", "5", "INKLING_DEVICE_OUTBOX_DAY is not a setting"),
        ("INKLING_DEVICE_OUTBOX_DAYS", "five", "INKLING_DEVICE_OUTBOX_DAYS cannot be 'five': it is a whole number"),
        ("INKLING_DEVICE_INSECURE", "perhaps", "it is true or false"),
        ("INKLING_DEVICE_GATHER_SECONDS", "inf", "gather_seconds must be at least 0"),
        ("INKLING_DEVICE_STATE_DIR", "", "it is a path"),
    ],
)
def test_a_mistake_in_a_variable_is_named(variable: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load({variable: value})


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load({}, tmp_path / "missing.toml")


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    path.write_bytes(b"server = '\xff'")
    with pytest.raises(SettingsError, match="is not TOML"):
        load({}, path)
