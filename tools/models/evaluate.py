"""How good the text model, the guard and the tagger are, on what nothing was trained on.

    python tools/models/evaluate.py                    prints the figures; exits 1 below the floors in `floors.json`
    python tools/models/evaluate.py --write            also writes them into the model's card and the README
    python tools/models/evaluate.py --against FOLDER   beside those of the text model in FOLDER (see judging.py)
    python tools/models/evaluate.py --lines FILE...    the same figures on other lines (see lines.py), without floors

Everything is judged by the very pipeline of the agent. "Leak" is a sensitive line that releases any topic; "false stop"
a harmless line that the guard takes for sensitive. Intervals are Wilson's, at 95 %.
"""

from __future__ import annotations

import argparse
import functools
import json
import operator
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import evasions
import figures
import lines as written
import photos
from figures import Figures, markdown_table, print_table
from judging import Judged, TextModel, agent_pipeline, judge, keyword_baseline, text_model

from inkling_device.models.inventory import TEXT
from inkling_device.observation import Message

HERE = Path(__file__).parent
MEASURE = written.DATA / "measure"
FLOORS = HERE / "floors.json"
REPOSITORY = HERE.parents[1]
MILLISECONDS = "milliseconds a line, on the machine that ran this"


@dataclass(frozen=True, slots=True)
class TextResults:
    """What one text model reaches."""

    judged: Sequence[Judged]
    milliseconds: float
    speech: Sequence[Judged]
    """Recognised speech; empty where other lines than the stored ones are measured."""
    evasions: Mapping[str, Sequence[Judged]]

    @classmethod
    def of(cls, model: TextModel, lines: Sequence[written.Line], spoken: Sequence[written.Line]) -> TextResults:
        pipeline = agent_pipeline(model)
        pipeline.read(Message("the first line pays for what is set up lazily"))
        began = time.perf_counter()
        judged = judge(lines, pipeline)
        milliseconds = (time.perf_counter() - began) / len(lines) * 1e3
        return cls(judged, milliseconds, judge(spoken, pipeline), evasions.judged_by_kind(pipeline))


def figures_table(
    results: Mapping[str, TextResults], baseline: Sequence[Judged]
) -> tuple[Sequence[str], dict[str, Sequence[str]]]:
    """Headings and rows: each model on text, the keyword baseline, each model on recognised speech."""
    columns = {name: Figures.of(each.judged) for name, each in results.items()}
    columns["keyword baseline"] = Figures.of(baseline)
    for name, each in results.items():
        if each.speech:
            columns[f"recognised speech{'' if name == 'text' else f', {name}'}"] = Figures.of(each.speech)
    rows = dict(figures.rows_of(list(columns.values())))
    milliseconds = [f"{each.milliseconds:.1f}" for each in results.values()]
    rows[MILLISECONDS] = milliseconds + [""] * (len(columns) - len(results))
    return list(columns), rows


def evasions_table(results: Mapping[str, TextResults]) -> tuple[Sequence[str], figures.Rows]:
    """Headings and rows: by kind of disguise, three columns for each model."""
    headings = [
        heading if name == "text" else f"{heading}, {name}" for name in results for heading in evasions.HEADINGS
    ]
    return headings, evasions.rows_of([each.evasions for each in results.values()])


def print_pictures(judged: Sequence[photos.JudgedPicture]) -> None:
    counts = Counter(each.result for each in judged)
    title = ", ".join(f"{counts[result]} {result}" for result in photos.Result)
    rows = {each.path: (each.expected, each.became, each.result) for each in judged}
    print_table(f"Photos and clips: {title}", ("expected", "became", ""), rows)


def write_table(path: Path, subject: str, table: str) -> None:
    """Puts `table` between the markers of `subject` in the file at `path`. Raises `ValueError` if it has none."""
    begin, end = f"<!-- {subject} -->", f"<!-- end of {subject} -->"
    before, begun, rest = path.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"{path} has no place for a table: it lacks {begin} or {end}")
    path.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")


def what_rules_add(lines: Sequence[written.Line], model: TextModel) -> None:
    """Leak and false stops with each rule left out, to see what it adds and costs."""
    rows = {}
    for left_out in ("none", "low_confidence", "sensitive_topic", "lexicon", "identifier"):
        pipeline = agent_pipeline(model, rules=functools.partial(operator.ne, left_out))
        reached = Figures.of(judge(lines, pipeline))
        shares = (reached.leak, reached.false_stop, reached.misleading_stop)
        rows[f"without {left_out}"] = [f"{each.value:.2%}" for each in shares]
    print_table("Each rule left out", ("leak", "false stops", "misleading stops"), rows)


def below_floors(text: TextResults, pictures: Sequence[photos.JudgedPicture]) -> list[str]:
    """What is worse than `floors.json` allows; each floor is a little under what was reached. What it does not name is
    not held to anything."""
    floors: Mapping[str, float] = json.loads(FLOORS.read_text(encoding="utf-8"))
    written_lines, speech = Figures.of(text.judged), Figures.of(text.speech)
    disguised = [each for judged in text.evasions.values() for each in judged]
    results = Counter(each.result for each in pictures)
    reached = {
        "leak": written_lines.leak.value,
        "worst_category_leak": written_lines.worst_leak,
        "false_stop": written_lines.false_stop.value,
        "misleading_stop": written_lines.misleading_stop.value,
        "wrong_topic": 1 - written_lines.right.value,
        "none_with_event": written_lines.none_with_event.value,
        "speech_leak": speech.leak.value,
        "speech_wrong_topic": 1 - speech.right.value,
        "evasion_leak": evasions.leaked(disguised).value,
        "evasion_stop": evasions.stopped(disguised).value,
        "photo_wrong": results[photos.Result.WRONG] / len(pictures),
        "photo_leak": results[photos.Result.RELEASED] / len(pictures),
    }
    return [
        f"{name} is {reached[name]:.2%}, allowed is {allowed:.2%}"
        for name, allowed in floors.items()
        if reached[name] > allowed
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", nargs="+", type=Path, help="measure these files instead of the stored sets")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="also measure the text model in this folder")
    parser.add_argument("--errors", type=Path, help="write every line that went wrong into this file")
    parser.add_argument("--write", action="store_true", help="write the figures into the model's card and the README")
    parser.add_argument("--rules", action="store_true", help="also measure with each rule left out")
    args = parser.parse_args()

    stored = sorted(MEASURE.glob("*.tsv"))
    lines = written.read_all(args.lines or [p for p in stored if not p.name.startswith("speech")])
    spoken = [] if args.lines else written.read_all(p for p in stored if p.name.startswith("speech"))
    model = text_model()
    results = {"text": TextResults.of(model, lines, spoken)}
    if args.against:
        results["before"] = TextResults.of(text_model(args.against), lines, spoken)
    headings, rows = figures_table(results, keyword_baseline(lines))
    print_table(f"{len(lines)} lines of text, {len(spoken)} of recognised speech", headings, rows)
    if args.errors:
        write_errors(results["text"].judged, args.errors)
    if args.rules:
        what_rules_add(lines, model)
    if args.lines:
        return 0
    evasion_headings, evasion_rows = evasions_table(results)
    print_table("Evasions", evasion_headings, evasion_rows)
    pictures = list(photos.judged_pictures(model))
    print_pictures(pictures)
    if args.write:
        for path in (REPOSITORY / "README.md", TEXT.card):
            write_table(path, "evaluation", markdown_table(headings, rows))
        write_table(TEXT.card, "evasions", markdown_table(evasion_headings, evasion_rows))
    faults = below_floors(results["text"], pictures)
    for fault in faults:
        print(f"below the floor: {fault}")
    return 1 if faults else 0


def write_errors(judged: Sequence[Judged], path: Path) -> None:
    """Leaks, false stops and wrong topics, for a person to read."""
    with path.open("w", encoding="utf-8") as file:
        for each in judged:
            objection = each.verdict.objection
            wrong = not each.line.category and (each.stopped or not each.right)
            if each.leaked or wrong:
                kind = "leak" if each.leaked else "stopped" if each.stopped else "topic"
                became = objection.category if objection else each.named
                file.write(f"{kind}\t{each.line.label}\t{became}\t{each.line.text}\n")


if __name__ == "__main__":
    sys.exit(main())
