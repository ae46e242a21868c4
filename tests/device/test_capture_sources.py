"""Sources that never end, the light that allows them, the folder and the socket."""

# ruff: noqa: ASYNC110, ASYNC240 - what is waited for is another thread's or process's; the files are in memory

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from inkling_device.capture.backoff import Backoff, Restarts
from inkling_device.capture.buffer import ThreadBuffer
from inkling_device.capture.camera import Camera
from inkling_device.capture.errors import LightError, SourceError
from inkling_device.capture.files import LARGEST_SOUND_BYTES
from inkling_device.capture.folder import WatchedFolder
from inkling_device.capture.light import CommandLight, FakeLight, FileLight, Light, LitSource
from inkling_device.capture.messages import LONGEST_MESSAGE, MessageSocket
from inkling_device.capture.microphone import Microphone
from inkling_device.capture.source import FakeSource
from inkling_device.observation import AudioChunk, Clip, Message, Photo, Sample

SOON = Backoff(first=0.001, longest=0.001)
PATIENCE = 20  # seconds until a test that hangs fails; nothing is asserted about time


async def take(source: AsyncGenerator[Any, None], count: int) -> list[Any]:
    """The first `count` samples, after which the source is closed."""
    async with contextlib.aclosing(source), asyncio.timeout(PATIENCE):
        return [await anext(source) for _ in range(count)]


async def nothing(_seconds: float) -> None:
    await asyncio.sleep(0)


# Buffer and back-off


async def test_a_full_buffer_lets_the_oldest_go_and_counts_it() -> None:
    """What was captured last is worth most; what is lost is known."""
    buffer = ThreadBuffer[int](3)
    for item in range(5):
        buffer.put(item)
    assert [await buffer.get() for _ in range(3)] == [2, 3, 4]
    assert buffer.lost == 2


async def test_a_buffer_wakes_who_waits() -> None:
    """An item from another thread reaches a consumer that was there first."""
    buffer = ThreadBuffer[str](1)
    waiting = asyncio.create_task(buffer.get())
    await asyncio.sleep(0)
    threading.Thread(target=buffer.put, args=("sound",)).start()
    assert await asyncio.wait_for(waiting, PATIENCE) == "sound"


def test_restarts_wait_longer_until_a_source_is_steady() -> None:
    """Ends in quick succession double the pause up to its bound; a long run starts over."""
    now = 0.0
    restarts = Restarts(Backoff(first=1, longest=5, steady=10), lambda: now)
    pauses = []
    for ran in (0, 0, 0, 0, 60, 0):
        restarts.started()
        now += ran
        pauses.append(restarts.ended())
    assert pauses == [1, 2, 4, 5, 1, 2]
    assert restarts.count == 6


# Microphone


def speaker(script: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; out = sys.stdout.buffer; {script}"]


async def test_the_microphone_yields_what_the_command_writes() -> None:
    """Sound arrives whole and in order."""
    command = speaker("out.write(bytes(range(240)) * 32); out.flush(); import time; time.sleep(60)")
    chunks = await take(Microphone(command).samples(), 2)
    assert b"".join(chunk.pcm for chunk in chunks) == bytes(range(240)) * 32


async def test_a_command_that_ends_is_started_again() -> None:
    """The microphone never ends; it counts how often its command did."""
    microphone = Microphone(speaker("out.write(b'ab' * 1920)"), backoff=SOON)
    assert len(await take(microphone.samples(), 3)) == 3
    assert microphone.restarts >= 2


async def test_an_odd_byte_at_the_end_is_not_half_a_sample() -> None:
    """A command killed in the middle of a sample does not turn all that follows into noise."""
    (chunk,) = await take(Microphone(speaker("out.write(b'abc')"), backoff=SOON).samples(), 1)
    assert chunk.pcm == b"ab"


async def test_a_command_that_cannot_start_is_tried_again() -> None:
    """A missing program is not the end: it may be a device that is plugged in later."""
    microphone = Microphone(["/nonexistent/recorder"], backoff=SOON)
    samples = microphone.samples()
    waiting = asyncio.ensure_future(anext(samples))
    async with asyncio.timeout(PATIENCE):
        while microphone.restarts < 3:
            await asyncio.sleep(0.001)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting


async def test_sound_that_nobody_takes_is_counted_as_lost() -> None:
    """A consumer that falls behind by more than the buffer loses the oldest sound, and that is known."""
    microphone = Microphone(speaker("out.write(bytes(3840) * 50)"), buffer_seconds=1.2, backoff=Backoff(60, 60))
    samples = microphone.samples()
    await asyncio.wait_for(anext(samples), PATIENCE)
    async with asyncio.timeout(PATIENCE):
        while not microphone.restarts:
            await asyncio.sleep(0.001)
    # Of 50 chunks ten fit in the buffer, and one was taken, before or after the buffer was full.
    assert round(microphone.lost_seconds / 0.12) in {39, 40}
    await samples.aclose()


async def test_closing_ends_the_command(tmp_path: Path) -> None:
    """A microphone that nobody listens to is let go."""
    pid_file = tmp_path / "pid"
    script = f"import os; open({str(pid_file)!r}, 'w').write(str(os.getpid())); out.write(bytes(3840)); out.flush()"
    await take(Microphone(speaker(script + "; import time; time.sleep(600)")).samples(), 1)
    pid = int(pid_file.read_text())
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(pid, 0)
                await asyncio.sleep(0.01)


# Camera


class FakeVideo:
    """A video of a few frames, each filled with its number."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._at = 0
        self.grabbed = threading.Event()
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802
        return self._frames > 0

    def grab(self) -> bool:
        self._at += 1
        self.grabbed.set()
        return self._at <= self._frames

    def retrieve(self) -> tuple[bool, Any]:
        return True, np.full((4, 4, 3), self._at % 256, np.uint8)

    def release(self) -> None:
        self.released = True


async def test_the_camera_takes_pictures_when_they_are_due() -> None:
    """Every so many seconds one frame is taken; those between are let go."""
    clock = itertools.count(0, 1)
    # Thirty frames give three pictures, fewer than the buffer holds, so that none gives way on a busy machine.
    camera = Camera("0", every=10, open_device=lambda _: FakeVideo(30), monotonic=lambda: next(clock))
    photos = await take(camera.samples(), 2)
    assert photos[1].pixels[0, 0, 0] - photos[0].pixels[0, 0, 0] >= 5


async def test_the_camera_takes_a_picture_when_asked() -> None:
    """Without an interval there is no picture but the one that was asked for."""
    video = FakeVideo(10**9)
    camera = Camera("0", open_device=lambda _: video)
    samples = camera.samples()
    waiting = asyncio.ensure_future(anext(samples))
    assert await asyncio.to_thread(video.grabbed.wait, PATIENCE)
    camera.take_picture()
    assert isinstance(await asyncio.wait_for(waiting, PATIENCE), Photo)
    await samples.aclose()


async def test_a_picture_asked_for_while_there_is_no_video_is_not_taken_later() -> None:
    """What is before the camera when it is back is not what was asked for."""
    camera: Camera
    videos = iter([FakeVideo(0), FakeVideo(9), FakeVideo(9)])
    spare = FakeVideo(0)

    def open_device(_: str) -> FakeVideo:
        camera.take_picture()
        return next(videos, spare)

    camera = Camera("0", open_device=open_device, backoff=SOON)
    samples = camera.samples()
    waiting = asyncio.ensure_future(anext(samples))
    async with asyncio.timeout(PATIENCE):
        while camera.restarts < 4:
            await asyncio.sleep(0.001)
    assert not waiting.done()
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting


async def test_a_camera_that_ends_is_opened_again() -> None:
    """A video that ends, or that could not be opened, is tried again, and every device is let go."""
    opened = [FakeVideo(0), FakeVideo(2), FakeVideo(2)]
    coming = iter(opened)
    spare = FakeVideo(2)
    camera = Camera("0", every=0, open_device=lambda _: next(coming, spare), backoff=SOON)
    assert len(await take(camera.samples(), 4)) == 4
    assert all(device.released for device in opened[:2])


async def test_a_real_image_sequence_is_a_camera(tmp_path: Path) -> None:
    """OpenCV opens what the setting names: here numbered pictures."""
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"frame{number:03d}.png"), np.full((8, 8, 3), 40 * number, np.uint8))
    (photo,) = await take(Camera(str(tmp_path / "frame%03d.png"), every=0, backoff=SOON).samples(), 1)
    assert photo.pixels.shape == (8, 8, 3)


# The capture light


@pytest.fixture(params=["fake", "file", "command"])
def light_and_state(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Light, Callable[[], bool]]:
    """Every light, with a way to see whether it shines."""
    state = tmp_path / "light"
    state.write_text("0")
    if request.param == "fake":
        fake = FakeLight()
        return fake, lambda: fake.lit
    if request.param == "file":
        return FileLight(state), lambda: state.read_text().startswith("1")
    script = f"import sys; open({str(state)!r}, 'w').write(str(int(sys.argv[1] == 'on')))"
    return CommandLight([sys.executable, "-c", script]), lambda: state.read_text() == "1"


def test_lights_switch(light_and_state: tuple[Light, Callable[[], bool]]) -> None:
    """On is on, off is off, and either may be said twice."""
    light, shines = light_and_state
    for switch, expected in ((light.on, True), (light.on, True), (light.off, False), (light.off, False)):
        switch()
        assert shines() is expected


@pytest.mark.parametrize(
    "light",
    [
        FileLight(Path("/nonexistent/brightness")),
        FileLight(Path("/dev/null")),
        CommandLight(["/nonexistent/light"]),
        CommandLight([sys.executable, "-c", "raise SystemExit(1)"]),
        CommandLight([sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.2),
    ],
    ids=["no file", "does not obey", "no command", "fails", "hangs"],
)
def test_a_light_that_may_not_shine_is_an_error(light: Light) -> None:
    """Not being certain is the same as being dark."""
    with pytest.raises(LightError):
        light.on()


async def test_nothing_is_captured_while_the_light_is_broken() -> None:
    """The source is not even opened; once the light works, capture begins."""
    light, source, pauses = FakeLight(), FakeSource([Message("x")]), []
    light.broken = True

    async def sleep(seconds: float) -> None:
        if seconds == 10:
            await asyncio.Event().wait()
        pauses.append((seconds, source.opened))
        light.broken = len(pauses) < 3

    lit = LitSource(source, light, check_every=10, backoff=Backoff(first=1, longest=30), sleep=sleep)
    assert [sample async for sample in lit.samples()] == [Message("x")]
    assert pauses == [(1, 0), (2, 0), (4, 0)]
    assert source.opened == source.closed == 1


class Unending:
    """A source that yields one sample each time it is opened, and then waits for ever."""

    def __init__(self) -> None:
        self.opened = self.closed = 0

    async def samples(self) -> AsyncGenerator[Message, None]:
        self.opened += 1
        try:
            yield Message("first")
            await asyncio.Event().wait()
        finally:
            self.closed += 1


@pytest.mark.parametrize("waiting", [True, False])
async def test_a_light_that_breaks_ends_the_capture(waiting: bool) -> None:
    """While no sample comes, and while whoever takes them is busy: the source is closed until the light works."""
    light, source = FakeLight(), Unending()
    check, repaired = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        if seconds == 10:
            await check.wait()
            check.clear()
        else:
            assert source.closed == 1
            await repaired.wait()
            light.broken = False

    lit = LitSource(source, light, check_every=10, sleep=sleep).samples()
    async with asyncio.timeout(PATIENCE):
        assert await anext(lit) == Message("first")
        check.set()
        while light.switched != ["on", "on"]:
            await asyncio.sleep(0.001)
        assert not source.closed
        coming = asyncio.ensure_future(anext(lit)) if waiting else None
        await asyncio.sleep(0)
        light.broken = True
        check.set()
        while not source.closed:
            await asyncio.sleep(0.001)
        repaired.set()
        assert await (coming or anext(lit)) == Message("first")  # from the beginning: the source was opened anew
        assert (source.opened, source.closed) == (2, 1)
        await lit.aclose()
    assert source.closed == 2


async def test_a_lit_source_that_fails_is_closed_and_says_why() -> None:
    """Its own error is not the light's."""
    source = FakeSource([Message("x")], SourceError("no such device"))
    with pytest.raises(SourceError, match="no such device"):
        await take(LitSource(source, FakeLight()).samples(), 2)
    assert source.closed == 1


async def test_the_light_goes_out_with_the_capture() -> None:
    """Nobody is told of capturing that is over."""
    light = FakeLight()
    samples = LitSource(FakeSource([Message("x")]), light).samples()
    await anext(samples)
    assert light.lit
    await samples.aclose()
    assert not light.lit


# The watched folder

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "photos"
    path.mkdir()
    return path


def put(folder: Path, name: str, source: str = "photos/chelsea.jpg", *, time: int = 1) -> None:
    (folder / name).write_bytes((DATA / source).read_bytes())
    os.utime(folder / name, (time, time))


def watched(folder: Path, sleep: Callable[[float], Any] = nothing) -> WatchedFolder:
    return WatchedFolder(folder, folder.parent / "memory", sleep=sleep)


async def test_photos_and_clips_come_once_in_order(folder: Path) -> None:
    """In the order of their times, each once, and all are still there."""
    put(folder, "b.jpg", time=2)
    put(folder, "a.mp4", "clips/two_scenes.mp4", time=3)
    put(folder, "c.jpg", time=1)
    samples: list[Sample] = await take(watched(folder).samples(), 3)
    assert [type(sample) for sample in samples] == [Photo, Photo, Clip]
    assert len(list(folder.iterdir())) == 3


async def test_what_was_taken_is_remembered_over_restarts(folder: Path) -> None:
    """An agent that starts again takes only what is new, and what was written anew."""
    put(folder, "a.jpg")
    put(folder, "b.jpg")
    await take(watched(folder).samples(), 2)
    put(folder, "b.jpg", "clips/two_scenes.mp4", time=9)
    assert isinstance((await take(watched(folder).samples(), 1))[0], Clip)


async def test_the_memory_tells_no_names(folder: Path) -> None:
    """A file's name may be somebody's words."""
    put(folder, "secretword.jpg")
    await take(watched(folder).samples(), 1)
    assert b"secretword" not in (folder.parent / "memory").read_bytes()


async def test_a_file_still_being_written_is_waited_for(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file is taken when two looks in a row find it the same."""
    whole = (DATA / "photos/chelsea.jpg").read_bytes()
    looks = 0

    async def write_more(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        (folder / "a.jpg").write_bytes(whole[: len(whole) * looks // 4])

    folder_source = watched(folder, lambda seconds: write_more(seconds) if looks < 4 else nothing(seconds))
    await take(folder_source.samples(), 1)
    assert looks == 4
    assert "set aside" not in caplog.text


async def test_what_cannot_be_read_is_set_aside_with_a_reason(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged file does not block the others, and the log does not tell its name."""
    (folder / "secretword.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (folder / "empty.png").touch()
    put(folder, "sound.wav", "speech/trail_slt.wav")
    put(folder, "z.jpg", time=2**31)
    await take(watched(folder).samples(), 1)
    assert caplog.text.count("set aside") == 3
    assert "the file is empty" in caplog.text
    assert "secretword" not in caplog.text
    assert len(list(folder.iterdir())) == 4


async def test_sound_is_told_by_its_head(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """However large it is: more than a gigabyte is not read only to be refused."""
    with (folder / "sound.wav").open("wb") as file:
        file.write(b"RIFF\0\0\0\0WAVE")
        file.truncate(LARGEST_SOUND_BYTES + 1)
    put(folder, "z.jpg", time=2**31)
    await take(watched(folder).samples(), 1)
    assert "the file is sound" in caplog.text


async def test_a_file_that_vanishes_under_the_look_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera app that renames or deletes does not end the source; a folder that vanishes does."""
    scandir = os.scandir

    @contextlib.contextmanager
    def scanned_late(path: Path) -> Iterator[list[os.DirEntry[str]]]:
        with scandir(path) as entries:
            listed = list(entries)
        (folder / "a.jpg").unlink(missing_ok=True)
        yield listed

    put(folder, "a.jpg")
    put(folder, "b.jpg")
    monkeypatch.setattr(os, "scandir", scanned_late)
    samples = watched(folder).samples()
    assert isinstance(await asyncio.wait_for(anext(samples), PATIENCE), Photo)
    (folder / "b.jpg").unlink()
    folder.rmdir()
    with pytest.raises(SourceError, match="check the setting"):
        await asyncio.wait_for(anext(samples), PATIENCE)


async def test_a_missing_folder_is_an_error_of_the_setting(tmp_path: Path) -> None:
    """A source that can never work says so instead of waiting."""
    with pytest.raises(SourceError, match="check the setting"):
        await take(WatchedFolder(tmp_path / "none", tmp_path / "memory").samples(), 1)


async def test_a_damaged_memory_is_an_error(folder: Path) -> None:
    """Taking everything once more without being told to would count everything twice."""
    (folder.parent / "memory").write_bytes(b"\xff\xfe")
    with pytest.raises(SourceError, match="delete it"):
        await take(watched(folder).samples(), 1)


# Typed messages


class App:
    """An app that talks to the socket, in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(str(path))
        self._answers = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def line(self) -> bytes:
        return self._answers.readline()

    def answer(self) -> Any:
        return json.loads(self.line())

    def close(self) -> None:
        self._answers.close()
        self._socket.close()


@contextlib.asynccontextmanager
async def listening(path: Path, pressed: list[str]) -> AsyncGenerator[AsyncGenerator[Message, None], None]:
    buttons = {name: (lambda name=name: pressed.append(name)) for name in ("mute", "push-to-talk")}
    samples = MessageSocket(path, buttons).samples()
    first = asyncio.ensure_future(anext(samples))

    async def all_samples() -> AsyncGenerator[Message, None]:
        yield await first
        async for sample in samples:
            yield sample

    async with asyncio.timeout(PATIENCE):
        while not path.exists():
            await asyncio.sleep(0.001)
        try:
            yield all_samples()
        finally:
            first.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await first
            await samples.aclose()


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "messages.sock"


async def exchange(path: Path, data: bytes, answers: int = 1) -> list[Any]:
    def talk() -> list[Any]:
        app = App(path)
        app.send(data)
        received = [app.answer() for _ in range(answers)]
        app.close()
        return received

    return await asyncio.to_thread(talk)


async def test_text_and_json_messages_are_taken(socket_path: Path) -> None:
    """Plain lines and JSON are both messages, each with its answer."""
    async with listening(socket_path, []) as messages:
        data = 'find a trail\n{"text": "bake bread ü"}\n'.encode()
        assert await exchange(socket_path, data, 2) == [{"ok": True}] * 2
        assert [(await anext(messages)).text for _ in range(2)] == ["find a trail", "bake bread ü"]


async def test_buttons_are_pressed(socket_path: Path) -> None:
    """Commands go to their button; one that is not there is an error that names those that are."""
    pressed: list[str] = []
    async with listening(socket_path, pressed):
        assert await exchange(socket_path, b'{"command": "push-to-talk"}\n') == [{"ok": True}]
        (answer,) = await exchange(socket_path, b'{"command": "dance"}\n')
    assert pressed == ["push-to-talk"]
    assert answer == {"ok": False, "error": "no such command; there are mute, push-to-talk"}


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"   \n",
        b"\xff\xfe secretword\n",
        b'{"text": "secretword"\n',
        b'{"text": 5}\n',
        b'{"text": "secretword", "other": 1}\n',
        b'{"text": ""}\n',
        b'{"text": "\\ud800 secretword"}\n',
        b"{" * 60_000 + b"\n",
        b'{"a":' * 30_000 + b"\n",
    ],
)
async def test_what_is_no_message_gets_an_error(socket_path: Path, line: bytes) -> None:
    """The error never repeats what was sent, and the next message is taken."""
    async with listening(socket_path, []) as messages:
        answers = await exchange(socket_path, line[:-1][: LONGEST_MESSAGE - 1] + b"\n")
        assert answers[0]["ok"] is False
        assert "secretword" not in json.dumps(answers)
        assert await exchange(socket_path, b"next\n") == [{"ok": True}]
        assert (await anext(messages)).text == "next"


@pytest.mark.parametrize(("extra", "taken"), [(0, True), (1, False), (1_000_000, False)])
async def test_the_bound_is_64_kib(socket_path: Path, extra: int, taken: bool) -> None:
    """A message of just the bound is taken; a longer one is refused, a megabyte without an end too."""
    async with listening(socket_path, []):

        def talk() -> Any:
            app = App(socket_path)
            with contextlib.suppress(ConnectionError):
                app.send(b"a" * (LONGEST_MESSAGE + extra) + b"\n")
            with contextlib.suppress(ConnectionError):
                return app.answer()
            return {"ok": False}

        answer = await asyncio.to_thread(talk)
    assert answer["ok"] is taken


async def test_too_many_waiting_messages_are_refused(socket_path: Path) -> None:
    """An app that is faster than understanding is told to wait; what was answered with ok is not lost."""
    async with listening(socket_path, []) as messages:
        answers = await exchange(socket_path, b"line\n" * 80, 80)
        kept = sum(answer["ok"] for answer in answers)
        assert 60 <= kept < 80
        assert [(await anext(messages)).text for _ in range(kept)] == ["line"] * kept


async def test_nothing_is_acknowledged_that_is_not_going_to_be_read(socket_path: Path) -> None:
    """At the end every connection is closed, and what still waits is dropped: another start reads none of it."""
    messages = MessageSocket(socket_path)
    samples = messages.samples()
    first = asyncio.ensure_future(anext(samples))
    async with asyncio.timeout(PATIENCE):
        while not socket_path.exists():
            await asyncio.sleep(0.001)

        app = App(socket_path)
        app.send(b"read\nwaits\n")
        assert [await asyncio.to_thread(app.answer) for _ in range(2)] == [{"ok": True}] * 2
        assert (await first).text == "read"
        await samples.aclose()

        def ask() -> bytes:
            with contextlib.suppress(ConnectionError):
                app.send(b"too late\n")
                return app.line()
            return b""

        assert await asyncio.to_thread(ask) == b""
        app.close()

        again = asyncio.ensure_future(anext(messages.samples()))
        while not socket_path.exists():
            await asyncio.sleep(0.001)
        assert await exchange(socket_path, b"new\n") == [{"ok": True}]
        assert (await again).text == "new"


async def test_only_the_user_can_open_the_socket(socket_path: Path) -> None:
    """Nobody else on the glasses can type for the wearer."""
    async with listening(socket_path, []):
        assert socket_path.stat().st_mode & 0o777 == 0o600
    assert not socket_path.exists()


async def test_a_socket_left_over_is_replaced(socket_path: Path) -> None:
    """A killed agent's socket does not keep the next from starting."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as left_over:
        left_over.bind(str(socket_path))
    assert socket_path.exists()
    waiting = asyncio.ensure_future(anext(MessageSocket(socket_path).samples()))
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
                assert await exchange(socket_path, b"hello\n") == [{"ok": True}]
                break
            await asyncio.sleep(0.001)
    assert (await waiting).text == "hello"


async def test_two_agents_do_not_share_a_socket(socket_path: Path) -> None:
    """The second says so and leaves the first alone; nor is an ordinary file ever replaced."""
    async with listening(socket_path, []):
        with pytest.raises(SourceError, match="another agent"):
            await anext(MessageSocket(socket_path).samples())
        assert await exchange(socket_path, b"still here\n") == [{"ok": True}]
    socket_path.write_text("precious")
    with pytest.raises(SourceError):
        await anext(MessageSocket(socket_path).samples())
    assert socket_path.read_text() == "precious"


def test_samples_hide_what_they_hold() -> None:
    """Words, sound, pixels and names stay out of reprs."""
    held = [Message("secretword"), AudioChunk(b"secretword"), Clip("/secretword.mp4")]
    assert "secretword" not in repr(held)
