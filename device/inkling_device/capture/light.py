"""The capture light, which tells people around that the glasses capture. Without it nothing is captured."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from inkling_device.capture.backoff import Backoff
from inkling_device.capture.errors import LightError
from inkling_device.capture.source import Source
from inkling_device.observation import Sample

_COMMAND_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Light(Protocol):
    """A light that can be switched."""

    def on(self) -> None:
        """Switches it on, or makes sure that it still is. Raises `LightError` if that cannot be said for certain."""
        ...

    def off(self) -> None:
        """Switches it off. Raises `LightError`."""
        ...


class FileLight:
    """A light behind a file of the kernel, such as `/sys/class/leds/led0/brightness` or a GPIO's `value`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def on(self) -> None:
        self._write("1")

    def off(self) -> None:
        self._write("0")

    def _write(self, value: str) -> None:
        try:
            with self._path.open("r+", encoding="ascii") as file:  # never creates it: that would be no light
                file.write(value)
            lit = int(self._path.read_text(encoding="ascii")) > 0
        except (OSError, ValueError) as error:
            raise LightError(
                f"the capture light {self._path} cannot be switched; check the setting and its permissions"
            ) from error
        if lit != (value == "1"):
            raise LightError(f"the capture light {self._path} does not obey")


class CommandLight:
    """A light behind a command, which is called with `on` or `off` added and must exit with 0."""

    def __init__(self, command: Sequence[str], *, seconds: float = _COMMAND_SECONDS) -> None:
        """A command that takes more than `seconds` has failed."""
        self._command = list(command)
        self._seconds = seconds

    def on(self) -> None:
        self._call("on")

    def off(self) -> None:
        self._call("off")

    def _call(self, state: str) -> None:
        try:
            subprocess.run(  # noqa: S603 - the wearer's own setting, no shell
                [*self._command, state],
                check=True,
                timeout=self._seconds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise LightError(
                f"the capture light command failed to switch it {state} ({type(error).__name__}); check the setting"
            ) from error


class FakeLight:
    """A light that remembers, and breaks when told to."""

    def __init__(self) -> None:
        self.lit = False
        self.broken = False
        self.switched: list[str] = []

    def on(self) -> None:
        self._switch("on")

    def off(self) -> None:
        self._switch("off")

    def _switch(self, state: str) -> None:
        if self.broken:
            raise LightError("the fake light is broken")
        self.switched.append(state)
        self.lit = state == "on"


class LitSource:
    """A source that captures only while the light is certainly on.

    The source behind it is not even opened before. The light is made sure of again every `check_every` seconds, whether
    or not samples come and are taken; when it fails, the source is closed at once, what it still held is thrown away,
    and both are tried again after a pause.
    """

    def __init__(
        self,
        source: Source,
        light: Light,
        *,
        check_every: float = 10.0,
        backoff: Backoff | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._light = light
        self._check_every = check_every
        self._backoff = backoff or Backoff()
        self._sleep = sleep

    async def samples(self) -> AsyncGenerator[Sample, None]:
        failures = 0
        try:
            while True:
                try:
                    async with contextlib.aclosing(self._while_lit()) as lit:
                        async for sample in lit:
                            failures = 0
                            yield sample
                    return
                except LightError as error:
                    failures += 1
                    pause = self._backoff.after(failures)
                    _log.warning("nothing is captured: %s; trying again in %.1f s", error, pause)
                    await self._sleep(pause)
        finally:
            with contextlib.suppress(LightError):
                await asyncio.to_thread(self._light.off)

    async def _while_lit(self) -> AsyncGenerator[Sample, None]:
        """The samples of the source behind; raises `LightError` after the light has failed, with the source closed."""
        await asyncio.to_thread(self._light.on)
        samples = self._source.samples()
        coming: asyncio.Future[Sample | None] | None = None
        watching = asyncio.create_task(self._watch())

        async def close() -> None:
            """Not left to whoever takes the samples: that one may be busy with the last one for hours."""
            await asyncio.gather(watching, return_exceptions=True)
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
            await samples.aclose()

        closing = asyncio.create_task(close())
        try:
            while not watching.done():
                coming = asyncio.ensure_future(anext(samples, None))
                await asyncio.wait({coming, watching}, return_when=asyncio.FIRST_COMPLETED)
                if not watching.done():
                    sample = coming.result()
                    if sample is None:
                        return
                    yield sample
            watching.result()
        finally:
            watching.cancel()
            await closing

    async def _watch(self) -> None:
        """Ends when the light fails, by raising its `LightError`."""
        while True:
            await self._sleep(self._check_every)
            await asyncio.to_thread(self._light.on)
