"""What a day came to, as tables for a terminal of 100 columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from inkling.interests.v1 import interests_pb2
from inkling.profiles.v1 import profiles_pb2
from inkling_device.privacy.guard import Objection
from inkling_emulator.day import UNDERSTOOD, Input, Kind
from inkling_emulator.replay import Life
from inkling_emulator.timeline import Step, topic_name

_STOPPED, _RELEASED, _ASIDE, _AROUND, _WRONG = "red", "green", "dim", "bold yellow", "bold white on red"
_NAMES = {
    Kind.SAY: "said",
    Kind.OVERHEARD: "overheard",
    Kind.PUSH: "pressed",
    Kind.PHOTO: "photo",
    Kind.CLIP: "clip",
    Kind.TEXT: "typed",
}
_SHOWN_LETTERS = 6
"""Letters from which on a word is looked for in the traffic: shorter ones are in every protocol."""


def timeline(life: Life) -> RenderableType:
    """Input by input: what was taken in, what became of it, and what the network saw of it."""
    table = _table("The day")
    table.add_column("time", no_wrap=True)
    table.add_column("input", no_wrap=True)
    table.add_column("what the glasses made of it", ratio=6)
    table.add_column("what left them", ratio=5)
    table.add_column("bytes, batch", justify="right", no_wrap=True)
    for step in life.steps:
        table.add_row(*_row(step))
    return table


def around(item: Input) -> str:
    """What happens around the glasses, in words."""
    match item.kind:
        case Kind.NETWORK:
            return f"the network is {item.word}"
        case Kind.SERVER:
            return "the server is killed (SIGKILL)" if item.word == "kill" else "the server is started again"
        case Kind.BATTERY:
            return f"the battery is at {item.percent} %"
        case _:
            return "the microphone is muted" if item.muted else "the microphone is unmuted"


def name(item: Input) -> str:
    """What an input is, in a word or two."""
    return _NAMES.get(item.kind, "")


def _row(step: Step) -> Sequence[RenderableType]:
    item = step.input
    time = Text(f"{item.at:%H:%M}", style=_ASIDE)
    if item.kind not in UNDERSTOOD:
        return (time, "", Text(around(item), style=_AROUND), "", "")
    sizes = [f"{share.bytes / share.events:.0f}  #{share.batch:<2}" for share in step.shares]
    return (time, name(item), _made_of_it(step), _left(step), "\n".join(sizes))


def _made_of_it(step: Step) -> Text:
    words = step.words
    file = step.input.file
    made = Text(f'"{words}"') if words else Text(file.name if file else "", style=_ASIDE)
    if step.input.note:
        made.append(f"\n({step.input.note})" if words else f" ({step.input.note})", style=_ASIDE)
    return made


def _left(step: Step) -> Text:
    if step.objections:
        lines = [Text(f"stopped: {_reason(objection)}", style=_STOPPED) for objection in step.objections]
    elif step.events:
        lines = [Text(f"{short_name(event.topic)} {event.percentage} %", style=_RELEASED) for event in step.events]
    else:
        why = step.problem or ("no topic" if step.noticed else "not heard")
        lines = [Text(f"nothing: {why}", style=_ASIDE)]
    if step.surprise is not None:
        lines.append(Text("not as expected", style=_WRONG))
    return Text("\n").join(lines)


def _reason(objection: Objection) -> str:
    rule = _plain(objection.rule)
    return f"{_plain(objection.category)} ({rule})" if objection.category else rule


def short_name(topic: int) -> str:
    """A topic by the first and the last part of its path, without the branch."""
    first, *between, last = ["", *topic_name(topic).split(" | ")[1:]]
    return " > ".join(part for part in (between[0] if between else first, last) if part)


def _plain(category: str | None) -> str:
    return (category or "").replace("_", " ")


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold cyan", expand=True, box=SIMPLE_HEAD, pad_edge=False
    )


def profile(answer: profiles_pb2.GetProfileResponse) -> RenderableType:
    """The account's profile as ranking and ads systems read it."""
    table = _table("The profile, read back over gRPC with a reader's key")
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column("interest", ratio=5)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("noticed by", ratio=2)
    table.add_column("why", ratio=5)
    for interest in answer.interests:
        sources = [f"{_source(count.source)} {count.count}x" for count in interest.source_counts]
        table.add_row(
            str(interest.topic),
            Text(interest.name.removeprefix("Interest | "), style=_RELEASED),
            f"{interest.score:.2f}",
            "\n".join(sources),
            interest.reason,
        )
    return table


def _source(source: interests_pb2.InterestSource) -> str:
    return interests_pb2.InterestSource.Name(source).removeprefix("INTEREST_SOURCE_").lower()


def seen_and_kept(life: Life) -> RenderableType:
    """What the network saw, beside what stayed on the glasses."""
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    grid.add_row(
        Panel(_seen(life), title="What the network saw", border_style=_RELEASED),
        Panel(_kept(life), title="What stayed on the glasses", border_style=_STOPPED),
    )
    return grid


def _seen(life: Life) -> RenderableType:
    events = sum(len(sent.batch.events) for sent in life.timeline.sent)
    size = sum(sent.wire_bytes for sent in life.timeline.sent)
    facts = _facts()
    facts.add_row("interest events", str(events))
    facts.add_row("batches", str(len(life.timeline.sent)))
    facts.add_row("bytes of their messages", f"{size:,}")
    facts.add_row("bytes for each event", f"{size / events:.1f}" if events else "-")
    facts.add_row("bytes of policy and protocol", f"{life.sync.total_bytes - size:,}")
    facts.add_row("bytes of pairing and tokens", f"{life.pairing.total_bytes:,}")
    looked_for, found = words_on_the_wire(life)
    if looked_for:
        searched = (
            f"{looked_for} words said or typed, of {_SHOWN_LETTERS} letters or more, were looked for in all these"
            f" bytes: {len(found) or 'none'} found"
        )
        return Group(facts, Text(f"\n{searched}", style=_WRONG if found else _RELEASED))
    return facts


def _kept(life: Life) -> RenderableType:
    facts = _facts()
    facts.add_row("sound", f"{life.kept.sound_seconds:,.0f} s")
    facts.add_row("words transcribed or typed", f"{life.kept.words:,}")
    facts.add_row("photos and frames of clips", f"{life.kept.pictures:,}")
    facts.add_row("pixels", f"{life.kept.pixels / 1e6:,.1f} million")
    facts.add_row(Text("what was stopped, and how often", style="bold"), "")
    for drop in life.drops:
        facts.add_row(f"  {_reason(Objection(drop.rule, drop.category))}", str(drop.count))
    return facts


def _facts() -> Table:
    facts = Table.grid(expand=True, padding=(0, 1))
    facts.add_column()
    facts.add_column(justify="right", no_wrap=True)
    return facts


def words_on_the_wire(life: Life) -> tuple[int, Sequence[str]]:
    """How many words were looked for in what the network saw, and those found. None, where either was not kept."""
    traffic = bytes(life.sync.sent + life.sync.received + life.pairing.sent + life.pairing.received)
    if not traffic:
        return 0, []
    said = " ".join([*(step.words for step in life.steps), *(step.input.text or "" for step in life.steps)])
    words = sorted({word for word in said.lower().split() if len(word) >= _SHOWN_LETTERS})
    return len(words), [word for word in words if word.encode() in traffic.lower()]


def summary(lives: Sequence[Life]) -> RenderableType:
    """A row for each pair of glasses."""
    table = _table("Glasses")
    table.add_column("#", justify="right")
    table.add_column("account", no_wrap=True)
    for heading in ("released", "stopped", "batches", "bytes", "surprises", "all sent"):
        table.add_column(heading, justify="right")
    for number, life in enumerate(lives, 1):
        table.add_row(
            str(number),
            life.login.email,
            str(sum(len(step.events) for step in life.steps)),
            str(sum(len(step.objections) for step in life.steps)),
            str(len(life.timeline.sent)),
            f"{life.sync.total_bytes:,}",
            str(len(life.surprises)),
            "yes" if life.complete else Text("no", style=_WRONG),
        )
    return table


def troubles(lives: Sequence[Life]) -> Sequence[str]:
    """What went otherwise than it must; empty when all is well."""
    found = []
    for number, life in enumerate(lives, 1):
        found += [f"glasses {number}, {step.input.at:%H:%M}: {step.surprise}" for step in life.surprises]
        if not life.complete:
            found.append(f"glasses {number}: not everything that was released has reached the server")
        if words_on_the_wire(life)[1]:
            found.append(f"glasses {number}: words were seen on the network")
    return found


def print_troubles(console: Console, lives: Sequence[Life]) -> bool:
    """Prints them; False where there are none."""
    found = troubles(lives)
    for trouble in found:
        console.print(Text(trouble, style=_WRONG))
    return bool(found)
