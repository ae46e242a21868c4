"""The demonstration: a server, an account, a pair of glasses and a day, and then everything that came of it."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import grpc
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from inkling.profiles.v1 import profiles_pb2, profiles_service_pb2_grpc
from inkling_emulator import report, stage
from inkling_emulator.day import load
from inkling_emulator.errors import ServerError
from inkling_emulator.replay import Options, replay
from inkling_emulator.server import ServerProcess, server_process
from inkling_emulator.wearer import Login

DAY = Path(__file__).parents[1] / "days" / "demo.toml"
LOGIN = Login("wearer@example.com", "a walk before breakfast")
"""Of an account on a server that only this machine reaches and that ends with the demonstration."""
_READER = "demo"
_DEADLINE_SECONDS = 10.0


async def demo(console: Console, folder: Path) -> int:
    """Shows everything on `console`; the files of glasses and server go to `folder`.

    With a terminal the page is served until Ctrl-C. The exit code is 0 if every input came to what the script expects
    and nothing was lost. Raises `EmulatorError`.
    """
    started = time.monotonic()
    day = load(DAY)
    console.print(f"A day with emulated glasses: {len(day.inputs)} inputs, real models, a real server.")
    async with server_process(folder) as server:
        with stage.watching(console) as begin:
            senses = await asyncio.to_thread(stage.load_senses, folder)
            options = Options(
                folder / "g",
                server.web,
                show_words=True,
                keep_traffic=True,
                login=lambda number: LOGIN,
                on_begin=begin,
            )
            lives = await replay(day, options, senses, server)
            answer = await _profile(server, lives[0].login)
        console.print(report.timeline(lives[0]))
        console.print(report.profile(answer))
        console.print(report.seen_and_kept(lives[0]))
        troubled = report.print_troubles(console, lives)
        console.print(f"That took {time.monotonic() - started:.0f} s.")
        if console.is_terminal:
            console.print(_page(server))
            await _until_interrupted()
    return 1 if troubled else 0


def _page(server: ServerProcess) -> Panel:
    lines = (
        ("The wearer's page  ", f"{server.web}/profile"),
        ("E-mail address     ", LOGIN.email),
        ("Password           ", LOGIN.password),
        ("Stop with          ", "Ctrl-C"),
    )
    text = Text("\n").join(Text.assemble(label, (value, "bold")) for label, value in lines)
    return Panel(text, title="Still serving", border_style="cyan", expand=False)


async def _profile(server: ServerProcess, login: Login) -> profiles_pb2.GetProfileResponse:
    """The wearer's profile as a ranking system reads it."""
    key = await server.command("reader", "add", _READER)
    request = profiles_pb2.GetProfileRequest(account=await _account(server, login))
    async with grpc.aio.insecure_channel(server.grpc) as channel:
        stub = profiles_service_pb2_grpc.ProfileServiceStub(channel)
        try:
            return await stub.GetProfile(
                request, metadata=(("authorization", f"Bearer {key}"),), timeout=_DEADLINE_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            raise ServerError(f"the profile cannot be read back: {error.code().name}: {error.details()}") from error


async def _account(server: ServerProcess, login: Login) -> str:
    """The account's id, as an operator finds it."""
    for line in (await server.command("account", "list")).splitlines():
        account, *_, email = line.split("\t")
        if email == login.email:
            return account
    raise ServerError(f"the server has no account {login.email}")


async def _until_interrupted() -> None:
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    await interrupted.wait()
