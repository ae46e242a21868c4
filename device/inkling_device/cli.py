"""`inkling-device`: the agent on the glasses, from the command line."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import TYPE_CHECKING

from inkling import topics
from inkling_device import settings as settings_module
from inkling_device.agent import Agent
from inkling_device.clock import SystemClock
from inkling_device.credentials import CredentialStore
from inkling_device.database import ReadOnlyDatabase, StateDatabase, holder
from inkling_device.errors import DeviceError, SettingsError, StateBusyError, StateError
from inkling_device.ledger import Ledger
from inkling_device.models import check, fetch, inventory
from inkling_device.models.senses import Senses
from inkling_device.oauth import DeviceCode, OAuthClient
from inkling_device.outbox import Outbox
from inkling_device.pairing import pair, spoken, unpair
from inkling_device.pipeline import Pipeline
from inkling_device.policy import SENTENCES, PolicyHolder
from inkling_device.privacy.guard import Guard
from inkling_device.privacy.rules import standard_rules
from inkling_device.settings import Settings
from inkling_device.speaker import speak
from inkling_device.tflite import ModelFileError, NoRuntimeError, runtime
from inkling_device.transport import Transport

if TYPE_CHECKING:
    from inkling_device.dry_run import DryRun, Outcome

UNPAIR_SIGNAL = signal.SIGUSR1
"""Tells a running agent to log out."""
UNPAIR_SECONDS = 60.0
"""How long `unpair` waits for a running agent."""
EXPECTED_ERRORS = (
    DeviceError,
    check.ModelMismatchError,
    fetch.FetchError,
    fetch.SpeechModelMissingError,
    ModelFileError,
    NoRuntimeError,
)
"""What a person at the terminal can act on: its message is shown, without a traceback."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code is 0 when all went well, 1 when not, 2 for wrong arguments."""
    args = _parser().parse_args(arguments)
    try:
        exit_code: int = args.command(args)
    except EXPECTED_ERRORS as error:
        print(f"inkling-device: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone, which is no fault
        return 0
    return exit_code


def _run(args: argparse.Namespace) -> int:
    settings = _settings(args)
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.excepthook = _excepthook
    asyncio.run(_until_signalled(settings, Senses.load(speech=bool(settings.microphone))))
    return 0


async def _until_signalled(settings: Settings, senses: Senses) -> None:
    """Runs an agent until it is told to stop. One that is told to log out does so, and goes on logged out."""
    told, interrupted = asyncio.Event(), asyncio.Event()

    def stop() -> None:
        told.set()
        interrupted.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(UNPAIR_SIGNAL, interrupted.set)
    agent = Agent(settings, senses)  # from here on it holds the state directory, and may be told to log out
    try:
        while True:
            await agent.run(interrupted)
            if told.is_set():
                return
            interrupted.clear()
            await agent.unpair()
    finally:
        agent.close()


def _excepthook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """A crash report without the error's text, which may quote what the wearer said."""
    print(f"inkling-device: stopped by {kind.__name__}", file=sys.stderr)
    for frame, line in walk_tb(traceback):
        code = frame.f_code
        print(f"  {Path(code.co_filename).name}:{line} {code.co_name}", file=sys.stderr)


def _status(args: argparse.Namespace) -> int:
    settings = _settings(args)
    clock = SystemClock()
    credentials = CredentialStore(settings.state_dir)
    policy = PolicyHolder(settings.state_dir, credentials, clock)
    print(SENTENCES[policy.refusal()])
    held = credentials.current
    if held is not None:
        print(f"Logged in at {held.server}, pairing {held.pairing}.")
    if policy.held is not None:
        print(
            f"Policy {policy.held.policy.version}, good until {policy.held.policy.expires:%Y-%m-%d %H:%M} UTC;"
            f" home region {policy.held.home_region}."
        )
    ledger = Ledger(ReadOnlyDatabase(settings.state_dir), clock)
    totals = ledger.totals()
    print(
        f"{totals.unsent} events wait to be sent. Never sent: {totals.gave_way} gave way, {totals.too_old} grew too"
        f" old. Not taken by the server: {totals.refused} refused, {totals.set_aside} set aside."
    )
    failure = ledger.sync_failure()
    if failure is not None:
        print(f"The last attempt to send failed at {failure.time:%Y-%m-%d %H:%M} UTC: {failure.reason}")
    return 0


def _ledger(args: argparse.Namespace) -> int:
    from rich.console import Console  # here and below: 4 MB that an agent at work does without
    from rich.table import Table

    settings = _settings(args)
    ledger = Ledger(ReadOnlyDatabase(settings.state_dir), SystemClock())
    events = Table(title="What was recorded, and what became of it")
    for heading in ("day", "topic", "noticed by", "sure", "outcome", "batch", "sent (UTC)"):
        events.add_column(heading)
    for entry in ledger.entries():
        events.add_row(
            str(entry.event.day),
            topics.taxonomy()[entry.event.topic].name,
            entry.event.source.name.lower(),
            f"{entry.event.percentage} %",
            entry.outcome if entry.reason is None else f"{entry.outcome}: {entry.reason}",
            "" if entry.sequence is None else str(entry.sequence),
            f"{entry.sent:%Y-%m-%d %H:%M}" if entry.sent else "",
        )
    drops = Table(title="What was dropped; these counts never leave the glasses")
    for heading in ("day", "rule", "category", "count"):
        drops.add_column(heading)
    for drop in ledger.drops():
        drops.add_row(str(drop.day), drop.rule, drop.category or "", str(drop.count))
    console = Console()
    console.print(events)
    console.print(drops)
    return 0


def _pair(args: argparse.Namespace) -> int:
    settings = _settings(args)
    if not settings.server:
        raise SettingsError('no server is set: write `server = "https://..."` into the settings file')

    async def show(code: DeviceCode) -> None:
        print(f"Open {code.verification_uri} and enter the code {code.user_code}", flush=True)
        if code.verification_uri_complete:
            print(f"or open {code.verification_uri_complete}", flush=True)
        if settings.speaker:
            await speak(settings.speaker, spoken(code))

    clock = SystemClock()
    asyncio.run(pair(_oauth(settings, settings.server, clock), CredentialStore(settings.state_dir), clock, show))
    print("Logged in.")
    return 0


def _unpair(args: argparse.Namespace) -> int:
    signal.signal(UNPAIR_SIGNAL, signal.SIG_IGN)  # another `unpair` that takes this one for the agent
    settings = _settings(args)
    clock = SystemClock()
    store = CredentialStore(settings.state_dir)
    held = store.current
    try:
        database = StateDatabase.open(settings.state_dir, clock)
    except StateBusyError:
        return _unpair_running_agent(settings.state_dir)
    try:
        told = asyncio.run(
            unpair(
                _oauth(settings, held.server, clock) if held else None,
                store=store,
                policy=PolicyHolder(settings.state_dir, store, clock),
                outbox=Outbox(database, clock, maximum_bytes=settings.outbox_bytes, maximum_days=settings.outbox_days),
            )
        )
    finally:
        database.close()
    print("Logged out; queue, ledger, policy and credentials are wiped.")
    if held and not told:
        print('The server could not be told: choose "forget" for these glasses on its page.')
    return 0


def _unpair_running_agent(state_dir: Path) -> int:
    """Has the agent that holds `state_dir` log out, and waits until it has."""
    agent = holder(state_dir)
    if agent is None:
        raise StateError(f"it cannot be told who is using {state_dir}: stop the agent, and log out again")
    try:
        os.kill(agent, UNPAIR_SIGNAL)
    except OSError as error:
        raise StateError(f"the agent, process {agent}, cannot be told to log out: {error.strerror}") from error
    deadline = time.monotonic() + UNPAIR_SECONDS
    while CredentialStore(state_dir).current is not None:
        if time.monotonic() > deadline:
            raise StateError(f"the agent, process {agent}, has not logged out yet: look into its log, or stop it first")
        time.sleep(0.1)
    print("The agent has logged out; queue, ledger, policy and credentials are wiped, and nothing is recorded.")
    print('Should the server\'s page still show these glasses, they had no network: choose "forget" there.')
    return 0


def _dry_run(args: argparse.Namespace) -> int:
    from inkling_device.dry_run import DryRun, print_json, print_table

    logging.basicConfig(level="WARNING")
    senses = Senses.load(speech=False)
    rules = standard_rules(thresholds=senses.thresholds, refusal=lambda source: None, released_today=lambda: ())
    guard = Guard(rules, today=lambda: SystemClock().now().date())
    pipeline = Pipeline(classifier=senses.classifier, eyes=senses.eyes, topics_of=senses.topics_of, guard=guard)
    run = DryRun(pipeline, lambda: senses.with_speech(live=False).transcriber())
    as_json = args.json or not sys.stdout.isatty()
    show = print_json if as_json else print_table
    return 0 if show(_outcomes(run, args.text, args.media), show_words=args.show_words) else 1


def _outcomes(run: DryRun, texts: Sequence[str], media: Sequence[Path]) -> Iterator[Outcome]:
    from inkling_device.dry_run import Outcome

    for name in texts:
        if name == "-":
            yield from run.text_file(name, sys.stdin.buffer)
            continue
        try:
            with Path(name).open("rb") as file:
                yield from run.text_file(name, file)
        except OSError as error:
            yield Outcome(name, error=f"the file cannot be read ({error.strerror})")
    for path in media:
        yield run.media(path)


def _models_fetch(args: argparse.Namespace) -> int:
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    with Progress("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn()) as progress:
        task = progress.add_task("speech model", total=None)
        folder = fetch.fetch(lambda done, total: progress.update(task, completed=done, total=total), source=args.source)
    print(f"The speech model is in {folder}.")
    return 0


def _models_check(args: argparse.Namespace) -> int:
    from inkling_device.listen.transcriber import load_speech_model

    print(f"Runtime: {runtime()}")
    for result in check.check_all():
        print(f"{result.name}: {result.file} answers as it must (cosine {result.cosine:.4f})")
    folder = fetch.speech_model()
    load_speech_model(folder)
    print(f"speech: {folder} loads with {inventory.SPEECH_LANGUAGE.name}")
    return 0


def _models_record(args: argparse.Namespace) -> int:
    check.record(args.name)
    print(f"Stored what {args.name} answers now as its known answer.")
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    return settings_module.load(os.environ, args.settings)


def _oauth(settings: Settings, server: str, clock: SystemClock) -> OAuthClient:
    return OAuthClient(server, Transport(settings.tls_ca_file, settings.insecure), clock)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="inkling-device", description=__doc__)
    parser.add_argument("--settings", type=Path, help=f"settings file (default: {settings_module.default_file()})")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: object, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
        made.set_defaults(command=function)
        return made

    command("run", _run, "capture, understand and sync until stopped")
    command("status", _status, "whether anything is recorded now, and why not")
    command("ledger", _ledger, "what was sent, when and why, and how much was dropped")
    command("pair", _pair, "log these glasses in to an account")
    command("unpair", _unpair, "log out, and wipe queue, ledger, policy and credentials")

    dry_run = command("dry-run", _dry_run, "what would be sent; nothing is recorded, nothing sent, no network needed")
    dry_run.add_argument("--text", action="append", default=[], metavar="FILE", help="each line; - for standard input")
    dry_run.add_argument("--show-words", action="store_true", help="also print the words, as heard or typed")
    dry_run.add_argument("--json", action="store_true", help="JSON lines also at a terminal")
    dry_run.add_argument("media", nargs="*", type=Path, metavar="MEDIA", help="WAV, JPEG, PNG or MP4 files")

    models = commands.add_parser("models", help="the models on this device").add_subparsers(
        required=True, metavar="COMMAND"
    )
    fetching = models.add_parser("fetch", help="fetch the speech model (41 MB), once")
    fetching.add_argument("--from", dest="source", type=Path, metavar="FILE", help="an archive that is already here")
    fetching.set_defaults(command=_models_fetch)
    models.add_parser("check", help="compare each model with its stored answer").set_defaults(command=_models_check)
    recording = models.add_parser("record", help="for model builders: store the answer of a model built anew")
    recording.add_argument("name", choices=sorted(inventory.MODELS))
    recording.set_defaults(command=_models_record)
    return parser


if __name__ == "__main__":
    sys.exit(main())
