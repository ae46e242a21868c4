"""`inkling-emulator`: replays a day on emulated glasses, or shows the demonstration."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from inkling_device.errors import DeviceError
from inkling_device.models.check import ModelMismatchError
from inkling_device.models.fetch import SpeechModelMissingError
from inkling_device.tflite import ModelFileError, NoRuntimeError
from inkling_emulator import report, stage
from inkling_emulator.day import Day, load
from inkling_emulator.demo import demo
from inkling_emulator.errors import EmulatorError
from inkling_emulator.replay import AS_FAST_AS_POSSIBLE, Options, check_server, replay
from inkling_emulator.server import server_process

_DEMO = "demo"
_EXPECTED_ERRORS = (
    EmulatorError,
    DeviceError,
    ModelMismatchError,
    SpeechModelMissingError,
    ModelFileError,
    NoRuntimeError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when all went as the script expects, 1 when not, 2 for wrong arguments."""
    args = _parser().parse_args(arguments)
    console = Console()
    try:
        day = None if args.day == _DEMO else load(Path(args.day))
        if day is not None:
            check_server(day, own=args.server is None)
        with stage.directory(args.keep) as folder:
            stage.log_into(folder)
            return asyncio.run(demo(console, folder) if day is None else _replay(console, day, args, folder))
    except _EXPECTED_ERRORS as error:
        print(f"inkling-emulator: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


async def _replay(console: Console, day: Day, args: argparse.Namespace, folder: Path) -> int:
    async with contextlib.AsyncExitStack() as stack:
        own = None if args.server else await stack.enter_async_context(server_process(folder))
        with stage.watching(console) as begin:
            options = Options(
                folder / "g",
                own.web if own else args.server,
                glasses=args.glasses,
                speed=args.speed,
                show_words=args.show_words,
                on_begin=begin,
            )
            lives = await replay(day, options, await asyncio.to_thread(stage.load_senses, folder), own)
    console.print(report.timeline(lives[0]))
    console.print(report.seen_and_kept(lives[0]))
    console.print(report.summary(lives))
    return 1 if report.print_troubles(console, lives) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="inkling-emulator", description=__doc__)
    parser.add_argument("day", metavar="DAY", help="a day's script (TOML), or `demo` for the demonstration")
    parser.add_argument("--glasses", type=_count, default=1, metavar="N", help="pairs of glasses at once (default: 1)")
    parser.add_argument(
        "--speed",
        type=_speed,
        default=AS_FAST_AS_POSSIBLE,
        metavar="X",
        help="times real time, or `max` for as fast as everything is understood (the default)",
    )
    parser.add_argument(
        "--server", metavar="WEB_ADDRESS", help="a running server, http://HOST:PORT; by default one is started"
    )
    parser.add_argument("--show-words", action="store_true", help="also print the words, as heard or typed")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what glasses and server wrote in there")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of glasses: 1 or more")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = AS_FAST_AS_POSSIBLE if text == "max" else float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a speed: a number greater than 0, or max")
    return speed


if __name__ == "__main__":
    sys.exit(main())
