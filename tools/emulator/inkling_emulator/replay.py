"""Replays a day on any number of glasses at once, each with a wearer and an account of its own."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from inkling_device.ledger import DropCount
from inkling_device.models.senses import Senses
from inkling_emulator.day import Day, Input, Kind
from inkling_emulator.errors import DayError
from inkling_emulator.glasses import Glasses, Kept, Pace, glasses
from inkling_emulator.network import network
from inkling_emulator.proxy import Traffic
from inkling_emulator.server import ServerProcess
from inkling_emulator.timeline import Step, Timeline
from inkling_emulator.wearer import Login, Wearer

AS_FAST_AS_POSSIBLE = float("inf")
HOME_REGION = "US"
BIRTH_YEAR = 1990
_AT_ONCE = 8
"""Glasses that are paired at the same time; each costs the server a slow password hash."""


def random_login(number: int) -> Login:
    """A login that nobody has."""
    return Login(f"wearer-{number}-{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(12))


@dataclass(frozen=True, slots=True)
class Options:
    """How to replay a day."""

    directory: Path
    """Where the glasses keep their states; must be empty. Short, for the sockets in it: 80 characters at most."""
    server: str
    """Web address of the server."""
    glasses: int = 1
    speed: float = AS_FAST_AS_POSSIBLE
    """Times real time."""
    show_words: bool = False
    """Whether to keep what was heard and typed for showing it."""
    keep_traffic: bool = False
    """Whether to keep what the network saw, and not only count it."""
    login: Callable[[int], Login] = random_login
    """The login of the wearer with that number, from 1."""
    on_begin: Callable[[Input], None] = lambda item: None
    """Told of each input when it begins; for several glasses, of the first pair's."""


@dataclass(frozen=True, slots=True)
class Life:
    """What became of one pair of glasses in a day."""

    login: Login
    timeline: Timeline = field(repr=False)
    kept: Kept
    drops: Sequence[DropCount]
    sync: Traffic
    """What the network saw of sync."""
    pairing: Traffic
    """What it saw of pairing and tokens."""
    complete: bool
    """Whether everything that was released has reached the server."""

    @property
    def steps(self) -> Sequence[Step]:
        """The inputs and what became of them."""
        return self.timeline.steps

    @property
    def surprises(self) -> Sequence[Step]:
        """The steps that turned out otherwise than the day's script expects."""
        return [step for step in self.steps if step.surprise is not None]


def check_server(day: Day, *, own: bool) -> None:
    """Raises `DayError` where `day` kills a server that is not the emulator's own."""
    if not own and any(item.kind is Kind.SERVER for item in day.inputs):
        raise DayError(f"{day.path} kills the server, which only a server of the emulator's own allows: omit --server")


async def replay(day: Day, options: Options, senses: Senses, own_server: ServerProcess | None = None) -> Sequence[Life]:
    """Lives through `day` and gives what became of each pair of glasses.

    Inputs that kill or start the server need `own_server`, the process of the server at `options.server`. Raises
    `DayError` where it is needed and missing, and the other errors of `inkling_emulator.errors`.
    """
    check_server(day, own=own_server is not None)
    async with contextlib.AsyncExitStack() as stack:
        everyone = await _everyone(options, senses, stack)
        everyone[0][0].timeline.on_begin = options.on_begin
        pace = Pace.starting(options.speed, day.inputs[0].seconds)
        for stretch in day.stretches():
            if stretch[0].kind is Kind.SERVER:
                assert own_server is not None
                await pace.until(stretch[0].seconds)
                for each, _ in everyone:
                    each.timeline.begin(stretch[0])
                await (own_server.kill() if stretch[0].word == "kill" else own_server.start())
            else:
                await asyncio.gather(*(each.live(stretch, pace) for each, _ in everyone))
        complete = await asyncio.gather(*(each.finish() for each, _ in everyone))
        return [
            Life(login, each.timeline, each.kept, each.drops(), each.network.sync, each.network.pairing, done)
            for (each, login), done in zip(everyone, complete, strict=True)
        ]


async def _everyone(
    options: Options, senses: Senses, stack: contextlib.AsyncExitStack
) -> Sequence[tuple[Glasses, Login]]:
    few = asyncio.Semaphore(_AT_ONCE)

    async def ready(number: int) -> tuple[Glasses, Login]:
        login = options.login(number)
        async with few:
            return await stack.enter_async_context(_one(number, login, options, senses)), login

    numbers = range(1, options.glasses + 1)
    everyone = await asyncio.gather(*(ready(number) for number in numbers), return_exceptions=True)
    # All have come to an end by here, so that nothing starts any more when one failed.
    return [each if not isinstance(each, BaseException) else _raised(each) for each in everyone]


def _raised(error: BaseException) -> NoReturn:
    raise error


@contextlib.asynccontextmanager
async def _one(number: int, login: Login, options: Options, senses: Senses) -> AsyncIterator[Glasses]:
    """One pair of glasses, whose wearer signs up, logs in again as on another day, and lets them in."""
    async with contextlib.AsyncExitStack() as stack:
        address = _address(number, options.server)
        connection = await stack.enter_async_context(
            network(options.server, keep=options.keep_traffic, address=address)
        )
        wearer = await stack.enter_async_context(Wearer(options.server, login, address=address))
        await wearer.sign_up(home_region=HOME_REGION, birth_year=BIRTH_YEAR)
        wearer.forget_session()
        await wearer.log_in()
        yield await stack.enter_async_context(
            glasses(
                options.directory / str(number),
                connection,
                wearer,
                senses,
                speed=options.speed,
                show_words=options.show_words,
                name=f"Emulated glasses {number}",
            )
        )


def _address(number: int, server: str) -> str | None:
    """An address of its own for each wearer, where the loopback has enough: the server limits strangers by address."""
    if "//127." not in server:
        return None
    return f"127.1.{number // 250}.{number % 250 + 1}"
