"""What became of each input of a day: the agent tells what it noticed and sent, and here it is told whose it was.

The agent knows nothing of inputs. It takes photos, clips and messages in the order in which they come, so what it
notices of a kind belongs to the oldest input of that kind that has no answer yet; what it hears belongs to the
recording that plays.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from inkling import topics
from inkling_device.agent import Noticed
from inkling_device.observation import InterestEvent, Source
from inkling_device.privacy.guard import Objection
from inkling_device.sync import Sent
from inkling_emulator.day import SPOKEN, Expected, Input, Kind

SOURCES = {Kind.TEXT: Source.TEXT, Kind.PHOTO: Source.PHOTO, Kind.CLIP: Source.VIDEO}
"""What the agent calls the kinds that are taken one after another."""


@dataclass(frozen=True, slots=True)
class Share:
    """What the network saw of one event: its part of a batch's message."""

    batch: int
    """Number of the batch."""
    events: int
    """Events in the batch."""
    bytes: int
    """Size of the whole message."""


@dataclass(slots=True)
class Step:
    """One input and what became of it."""

    input: Input
    noticed: list[Noticed] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)
    problem: str = ""
    """Why the agent did not take it, where it said so."""

    @property
    def events(self) -> Sequence[InterestEvent]:
        """What left of it."""
        return [event for noticed in self.noticed for event in noticed.verdict.events]

    @property
    def objections(self) -> Sequence[Objection]:
        """What stopped it."""
        return [noticed.verdict.objection for noticed in self.noticed if noticed.verdict.objection is not None]

    @property
    def words(self) -> str:
        """What was heard or typed, where the agent shows it."""
        return " ".join(noticed.words for noticed in self.noticed if noticed.words)

    @property
    def surprise(self) -> str | None:
        """How it turned out otherwise than expected; None where it did not, or nothing was expected."""
        wanted = self.input.expectation
        if wanted is None or _is_met(self, wanted.expected, wanted.detail):
            return None
        return f"expected {wanted}, but it was {_told(self)}"


class Timeline:
    """The steps of one pair of glasses."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.sent: list[Sent] = []
        self.on_begin: Callable[[Input], None] = lambda item: None
        self._waiting: dict[Source, deque[tuple[Step, asyncio.Event]]] = {source: deque() for source in Source}
        self._speech: Step | None = None
        self._unsent: list[tuple[InterestEvent, Step]] = []

    def begin(self, item: Input) -> Step:
        """A new step for an input that is about to happen."""
        step = Step(item)
        self.steps.append(step)
        self.on_begin(item)
        if item.kind in SPOKEN:
            self._speech = step
        return step

    def expect(self, step: Step) -> asyncio.Event:
        """The event that is set when the agent has understood the photo, clip or message of `step`."""
        understood = asyncio.Event()
        self._waiting[SOURCES[step.input.kind]].append((step, understood))
        return understood

    def give_up(self, step: Step) -> None:
        """The agent says nothing of it any more, or has refused it."""
        queue = self._waiting[SOURCES[step.input.kind]]
        for waiting in [waiting for waiting in queue if waiting[0] is step]:
            queue.remove(waiting)

    def notice(self, noticed: Noticed) -> None:
        """The agent has understood something; its observer."""
        step = self._speech
        if noticed.source is not Source.VOICE:
            queue = self._waiting[noticed.source]
            if not queue:
                return
            step, understood = queue.popleft()
            understood.set()
        if step is not None:
            step.noticed.append(noticed)
            self._unsent += [(event, step) for event in noticed.verdict.events]

    def note_sent(self, sent: Sent) -> None:
        """The server has taken a batch; the agent's `on_sent`."""
        self.sent.append(sent)

    def settle(self) -> None:
        """Tells the steps what the network saw of them; once, when all is sent."""
        for sent in self.sent:
            share = Share(sent.batch.sequence, len(sent.batch.events), sent.wire_bytes)
            for event in sent.batch.events:
                position = next((n for n, (unsent, _) in enumerate(self._unsent) if unsent == event), None)
                if position is not None:
                    self._unsent.pop(position)[1].shares.append(share)


def topic_name(topic: int) -> str:
    """Path of a topic, such as `Interest | Sports | Walking`."""
    return topics.taxonomy()[topic].name


def _is_met(step: Step, expected: Expected, detail: str) -> bool:
    if expected is Expected.UNHEARD:
        return not step.noticed
    if not step.noticed:
        return False
    if expected is Expected.STOPPED:
        return not step.events and any(detail in ("", objection.rule) for objection in step.objections)
    if expected is Expected.NO_TOPIC:
        return not step.events and not step.objections
    return not step.objections and any(topic_name(event.topic).startswith(detail) for event in step.events)


def _told(step: Step) -> str:
    if step.problem:
        return f"not taken: {step.problem}"
    if not step.noticed:
        return "unheard"
    if step.objections:
        return "stopped by " + ", ".join(f"{objection.rule} ({objection.category})" for objection in step.objections)
    names = ", ".join(topic_name(event.topic) for event in step.events)
    return f"released as {names}" if names else "without a topic"
