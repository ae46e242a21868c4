"""A sync server of the emulator's own: `inkling-server serve` as a process, so that it can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from inkling_emulator.errors import ServerError

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.02
_COMMAND = (sys.executable, "-m", "inkling_server.cli")
"""The same interpreter's, whether or not its scripts are on the path."""


class ServerProcess:
    """A server on free ports of the loopback, which it keeps when it is started again."""

    def __init__(self, directory: Path) -> None:
        """The server's data, its ports file and its log go to `directory`."""
        self._directory = directory
        self._ports = directory / "ports.json"
        self._log = directory / "server.log"
        self._grpc = "127.0.0.1:0"
        self._web = "127.0.0.1:0"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def grpc(self) -> str:
        """HOST:PORT of the gRPC services."""
        return self._grpc

    @property
    def web(self) -> str:
        """Address of the pages."""
        return f"http://{self._web}"

    @property
    def log_file(self) -> Path:
        """What the server has logged."""
        return self._log

    async def start(self) -> None:
        """Starts it and waits until it answers. Raises `ServerError`."""
        self._ports.unlink(missing_ok=True)
        addresses = ("--grpc-address", self._grpc, "--web-address", self._web)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_COMMAND, "serve", *self._data(), *addresses, "--ports-file", str(self._ports),
                "--log-level", "DEBUG",
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not self._ports.exists():
                    if self._process.returncode is not None:
                        raise ServerError(f"the server does not start:\n{self._last_lines()}")
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            await self.kill()
            raise ServerError(f"the server did not start in {_START_SECONDS:.0f} s:\n{self._last_lines()}") from None
        ports = json.loads(self._ports.read_text(encoding="utf-8"))
        self._grpc, self._web = ports["grpc"], ports["web"].removeprefix("http://")

    async def kill(self) -> None:
        """Ends it as a power failure would: nothing is written any more, nobody is told."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """Ends it as an operator would."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def command(self, *arguments: str) -> str:
        """What an operator's command prints, such as `reader add NAME`. Raises `ServerError`."""
        process = await asyncio.create_subprocess_exec(
            *_COMMAND, *arguments, *self._data(),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        printed, problem = await process.communicate()
        if process.returncode != 0:
            raise ServerError(f"inkling-server {' '.join(arguments)} failed: {problem.decode(errors='replace')}")
        return printed.decode().strip()

    def _data(self) -> tuple[str, str]:
        return ("--data-dir", str(self._directory / "data"))

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])


@contextlib.asynccontextmanager
async def server_process(directory: Path) -> AsyncIterator[ServerProcess]:
    """A running server. Raises `ServerError`."""
    process = ServerProcess(directory)
    try:
        await process.start()
        yield process
    finally:
        await process.stop()
