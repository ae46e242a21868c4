"""A day on emulated glasses: the agent with fake models, real sound, and the real server as a process."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from inkling_device.capture.files import read_media
from inkling_device.listen.transcriber import FakeTranscriber
from inkling_device.listen.wake import FakeWakeSpotter
from inkling_device.models.senses import Senses
from inkling_device.observation import AudioChunk, Clip, Photo, Sight, Tag, TopicScore, Utterance
from inkling_device.privacy.rules import Thresholds
from inkling_device.understand.classifier import FakeClassifier, Reading
from inkling_emulator import cli, report
from inkling_emulator.day import Day, load
from inkling_emulator.demo import DAY
from inkling_emulator.errors import DayError
from inkling_emulator.replay import Life, Options, replay
from inkling_emulator.server import ServerProcess, server_process

MEDIA = DAY.parent / "media"
WALKING = 672
HEARD = "boots for a zanzibarquux trail"
READINGS = {
    "trail": Reading([TopicScore(WALKING, 0.93, 0.93)], {}),
    "results": Reading([TopicScore(WALKING, 0.5, 0.5)], {"health": 0.98}),
}


class FakeEyes:
    """Sees mountains everywhere."""

    def look(self, photo: Photo) -> Sight:
        return Sight([Tag(970, 0.9)], 0)

    def watch(self, clip: Clip) -> Sight:
        return Sight([Tag(970, 0.9)], 0)


class FakeSenses(Senses):
    """Hears the wake phrase in `bread.wav` alone, and the same words after it."""

    def transcriber(self) -> FakeTranscriber:  # type: ignore[override]
        return FakeTranscriber([Utterance(HEARD, 0.9)] * 9)

    def wake_spotter(self) -> FakeWakeSpotter:  # type: ignore[override]
        sound = read_media(MEDIA / "bread.wav")
        assert isinstance(sound, AudioChunk)
        return FakeWakeSpotter(sound.pcm[25_600:25_900])


@pytest.fixture(scope="module")
def senses() -> Senses:
    made = FakeSenses(FakeClassifier(READINGS), thresholds=Thresholds(0.5, 0.5, 0.5), eyes=FakeEyes())
    return replace(made, speech=object())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name, for the sockets in it."""
    with tempfile.TemporaryDirectory(prefix="inkling-") as made:
        yield Path(made)


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[ServerProcess]:
    (folder / "s").mkdir()
    async with server_process(folder / "s") as running:
        yield running


def day(folder: Path, *inputs: str) -> Day:
    path = folder / "day.toml"
    path.write_text("".join(f"[[input]]\n{lines}\n" for lines in inputs), encoding="utf-8")
    return load(path)


async def lived(
    inputs: Sequence[str], folder: Path, server: ServerProcess, senses: Senses, *, glasses: int = 1
) -> Sequence[Life]:
    options = Options(folder / "g", server.web, glasses=glasses, show_words=True, keep_traffic=True)
    return await replay(day(folder, *inputs), options, senses, server)


async def test_each_kind_of_input_comes_to_what_it_should(folder: Path, server: ServerProcess, senses: Senses) -> None:
    """Heard, overheard, muted, pressed, typed and seen; and the network saw topics only."""
    (life,) = await lived(
        [
            f'at = 07:00:00\nsay = "{MEDIA}/bread.wav"\nexpect = "released Interest | Sports | Walking"',
            f'at = 07:01:00\noverheard = "{MEDIA}/gossip.wav"\nexpect = "unheard"',
            "at = 07:02:00\nmute = true",
            f'at = 07:03:00\nsay = "{MEDIA}/bread.wav"\nexpect = "unheard"',
            "at = 07:04:00\nmute = false",
            f'at = 07:05:00\npush = "{MEDIA}/gossip.wav"\nexpect = "released Interest | Sports | Walking"',
            'at = 07:06:00\ntext = "my zanzibarquux results"\nexpect = "stopped sensitive_topic"',
            'at = 07:07:00\ntext = "what time is it"\nexpect = "no topic"',
            f'at = 07:08:00\nphoto = "{MEDIA}/cat.jpg"\nexpect = "released"',
            f'at = 07:09:00\nclip = "{MEDIA}/walk.mp4"\nexpect = "released"',
        ],
        folder,
        server,
        senses,
    )
    assert [step.surprise for step in life.steps if step.surprise] == []
    assert life.complete
    assert sum(len(sent.batch.events) for sent in life.timeline.sent) == 4
    assert all(share.bytes < 60 for step in life.steps for share in step.shares)
    assert {(drop.rule, drop.category, drop.count) for drop in life.drops} == {("sensitive_topic", "health", 1)}
    assert life.kept.words == 2 * 5 + 3 + 4
    assert life.kept.pictures > 100
    seen = bytes(life.sync.sent + life.sync.received + life.pairing.sent + life.pairing.received)
    assert seen
    assert b"zanzibarquux" not in seen
    assert report.words_on_the_wire(life) == (2, [])


async def test_what_happens_while_nothing_gets_through_arrives_afterwards(
    folder: Path, server: ServerProcess, senses: Senses
) -> None:
    """A network that is down and a server that is killed delay events and lose none."""
    (life,) = await lived(
        [
            'at = 07:00:00\nnetwork = "down"',
            'at = 07:01:00\ntext = "a trail"\nexpect = "released"',
            'at = 07:02:00\nnetwork = "up"',
            'at = 07:03:00\nserver = "kill"',
            'at = 07:04:00\ntext = "a trail"\nexpect = "released"',
            'at = 07:05:00\nserver = "start"',
            'at = 07:06:00\ntext = "a trail"\nexpect = "released"',
        ],
        folder,
        server,
        senses,
    )
    assert (life.surprises, life.complete) == ([], True)
    events = sum(len(sent.batch.events) for sent in life.timeline.sent)
    assert events == 3
    assert sum(sent.accepted for sent in life.timeline.sent) == 3


async def test_pictures_wait_for_the_battery_and_nothing_waits_for_them(
    folder: Path, server: ServerProcess, senses: Senses
) -> None:
    """A message that comes later is understood before."""
    (life,) = await lived(
        [
            "at = 07:00:00\nbattery = 5",
            f'at = 07:01:00\nphoto = "{MEDIA}/cat.jpg"\nexpect = "released"',
            'at = 07:02:00\ntext = "a trail"\nexpect = "released"',
            'at = 07:03:00\nserver = "kill"',
            'at = 07:04:00\nserver = "start"',
            "at = 07:05:00\nbattery = 90",
        ],
        folder,
        server,
        senses,
    )
    assert life.surprises == []
    sources = [event.source.name for sent in life.timeline.sent for event in sent.batch.events]
    assert sources == ["TEXT", "PHOTO"]


async def test_a_surprise_is_told(folder: Path, server: ServerProcess, senses: Senses) -> None:
    """Where a script expects something else, with the time and what it was."""
    inputs = [
        'at = 07:00:00\ntext = "what time is it"\nexpect = "released"',
        'at = 07:00:00\ntext = "a trail"\nexpect = "released"',
    ]
    lives = await lived(inputs, folder, server, senses)
    assert report.troubles(lives) == ["glasses 1, 07:00: expected released, but it was without a topic"]


async def test_many_glasses_have_an_account_each(folder: Path, server: ServerProcess, senses: Senses) -> None:
    """More than the server lets one address make, each with its own queue and its own traffic."""
    lives = await lived(
        ['at = 07:00:00\ntext = "a trail"\nexpect = "released"', f'at = 07:01:00\nsay = "{MEDIA}/bread.wav"'],
        folder,
        server,
        senses,
        glasses=12,
    )
    assert report.troubles(lives) == []
    accounts = [line.split("\t")[-1] for line in (await server.command("account", "list")).splitlines()]
    assert sorted(accounts) == sorted(life.login.email for life in lives)
    assert [sum(len(sent.batch.events) for sent in life.timeline.sent) for life in lives] == [2] * 12


async def test_killing_needs_a_server_of_our_own(folder: Path, senses: Senses) -> None:
    """Nobody else's server is killed."""
    script = day(folder, 'at = 07:00:00\nserver = "kill"', 'at = 07:00:00\nserver = "start"')
    with pytest.raises(DayError, match="omit --server"):
        await replay(script, Options(folder / "g", "http://127.0.0.1:9"), senses)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["none.toml"], 1, "none.toml cannot be read"),
        ([str(DAY), "--glasses", "0"], 2, "not a number of glasses"),
        ([str(DAY), "--speed", "-1"], 2, "not a speed"),
        ([str(DAY), "--speed", "nan"], 2, "not a speed"),
        ([str(DAY), "--keep", "/" + "long" * 30], 1, "too long for the sockets"),
        ([str(DAY), "--keep", str(MEDIA)], 1, "is not empty"),
        ([str(DAY), "--server", "http://127.0.0.1:9"], 1, "omit --server"),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], exit_code: int, message: str
) -> None:
    """Before anything is started."""
    with pytest.raises(SystemExit) as left:
        sys.exit(cli.main(arguments))
    assert left.value.code == exit_code
    assert message in capsys.readouterr().err
