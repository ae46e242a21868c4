"""The pictures and clips of the repository, judged by the agent: `data/photos.tsv`.

Its columns are `path` (in the repository), `expected` (`sensitive`, `none`, or the topic ids that are right, with
commas between them) and `reason`, which is what a person saw.
"""

from __future__ import annotations

import csv
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from judging import TextModel, agent_pipeline, is_stopped

from inkling import topics as vocabulary
from inkling_device.capture.errors import UnreadableMediaError
from inkling_device.dry_run import DryRun, Outcome
from inkling_device.listen.transcriber import Transcriber
from inkling_device.see.eye import open_eye

PHOTOS = Path(__file__).parent / "data/photos.tsv"
REPOSITORY = Path(__file__).parents[2]


class Result(enum.StrEnum):
    """How a picture was judged."""

    RIGHT = "right"
    WRONG = "wrong"
    RELEASED = "released though sensitive"


@dataclass(frozen=True, slots=True)
class JudgedPicture:
    """A picture or clip with what became of it."""

    path: str
    expected: str
    became: str
    result: Result


def judged_pictures(model: TextModel) -> Iterator[JudgedPicture]:
    """Every picture through the agent's pipeline. Raises `UnreadableMediaError` for one that cannot be read."""
    agent = DryRun(agent_pipeline(model, eyes=open_eye()), _no_speech)
    with PHOTOS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            outcome = agent.media(REPOSITORY / row["path"])
            if outcome.error is not None:
                raise UnreadableMediaError(f"{row['path']}: {outcome.error}")
            yield JudgedPicture(row["path"], row["expected"], _became(outcome), _result(outcome, row["expected"]))


def _no_speech() -> Transcriber:
    raise NotImplementedError("the table has no recordings")


def _became(outcome: Outcome) -> str:
    objection = outcome.verdict.objection
    if objection is not None:
        return f"{objection.rule}: {objection.category}"
    return ", ".join(vocabulary.taxonomy()[event.topic].name for event in outcome.verdict.events) or "none"


def _result(outcome: Outcome, expected: str) -> Result:
    """A topic above an expected one is right, too, only less exact."""
    released = {event.topic for event in outcome.verdict.events}
    if expected == "sensitive":
        return Result.RELEASED if released else Result.RIGHT
    wanted = set() if expected == "none" else set(map(int, expected.split(",")))
    allowed = wanted.union(*map(vocabulary.ancestors, wanted))
    right = released <= allowed and bool(released) == bool(wanted) and not is_stopped(outcome.verdict)
    return Result.RIGHT if right else Result.WRONG
