"""How good the text model and the guard are, on lines that nothing was trained on.

    python tools/models/evaluate.py                    prints the figures; exits 1 below the floors in `floors.json`
    python tools/models/evaluate.py --write            also writes them into the model's card and the README
    python tools/models/evaluate.py --lines FILE...    the same figures on other lines (see lines.py), without floors

The lines are judged by the very pipeline of the agent. "Leak" is a sensitive line that releases any topic; "false stop"
a harmless line that the guard takes for sensitive. Intervals are Wilson's, at 95 %.
"""

from __future__ import annotations

import argparse
import datetime as dt
import functools
import json
import math
import operator
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import lines as written
from inkling import topics as vocabulary
from inkling_device.models.inventory import TEXT
from inkling_device.observation import Clip, Message, Observation, Photo, Sight, Source, TopicScore
from inkling_device.pipeline import Pipeline
from inkling_device.privacy.guard import Guard, Verdict
from inkling_device.privacy.lexicon import LexiconRule
from inkling_device.privacy.rules import standard_rules
from inkling_device.understand.load import load_classifier

HERE = Path(__file__).parent
MEASURE = HERE / "data/measure"
FLOORS = HERE / "floors.json"
REPOSITORY = HERE.parents[1]
BEGIN, END = "<!-- evaluation -->", "<!-- end of evaluation -->"
"""Between these the figures stand in the model's card and the README."""
HARMLESS_RULES = frozenset({"low_confidence", "not_sendable"})
"""Rules whose objection does not mean that the guard took a line for sensitive."""


@dataclass(frozen=True, slots=True)
class Share:
    """A count out of a total."""

    count: int
    total: int

    @property
    def value(self) -> float:
        return self.count / self.total if self.total else 0.0

    def interval(self) -> tuple[float, float]:
        """Wilson's score interval at 95 %."""
        if not self.total:
            return (0.0, 1.0)
        z, n, p = 1.96, self.total, self.value
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return (max(centre - half, 0.0), min(centre + half, 1.0))

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.value:6.2%} ({low:.2%} to {high:.2%}) of {self.total}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A line with what became of it."""

    line: written.Line
    verdict: Verdict

    @property
    def stopped(self) -> bool:
        objection = self.verdict.objection
        return objection is not None and objection.rule not in HARMLESS_RULES

    @property
    def named(self) -> int | None:
        """The most probable released topic."""
        return max(self.verdict.events, key=lambda event: event.percentage).topic if self.verdict.events else None

    @property
    def right(self) -> bool:
        """The topic named is the line's, or its kin within the second tier; or rightly none is."""
        named = self.named
        if named is None or not self.line.topic_ids:
            return named is None and not self.line.topic_ids
        return interest_field(named) in {interest_field(topic) for topic in self.line.topic_ids}


def interest_field(topic: int) -> str:
    """The second tier of a topic, such as "Sports", under one name for both branches where they mean the same."""
    name = vocabulary.taxonomy()[topic].name.split(" | ")
    return _SAME.get(name[1], name[1])


_SAME = {
    "Sporting Goods": "Sports",
    "Recreation and Fitness Activities": "Healthy Living",
    "Travel and Tourism": "Travel",
    "Automotive Ownership": "Automotive",
    "Automotive Products": "Automotive",
    "Automotive Services": "Automotive",
    "Clothing and Accessories": "Style & Fashion",
    "Beauty Services": "Style & Fashion",
    "Food and Beverage Services": "Food & Drink",
    "Furniture": "Home & Garden",
    "Home and Garden Services": "Home & Garden",
    "Hardware Supplies": "Home & Garden",
    "Pet Services": "Pets",
    "Consumer Electronics": "Technology & Computing",
    "Software": "Technology & Computing",
    "Web Services": "Technology & Computing",
    "Hobbies and Interests": "Hobbies & Interests",
    "Collectables and Antiques": "Hobbies & Interests",
    "Finance and Insurance": "Personal Finance",
    "Business and Industrial": "Business and Finance",
}


def agent_pipeline(rules: Callable[[str], bool] = lambda name: True) -> Pipeline:
    """The agent's pipeline with a policy that allows; `rules` picks the guard's rules by name."""
    classifier, calibration = load_classifier()
    everything = standard_rules(
        sensitive_threshold=calibration.sensitive_threshold, refusal=lambda source: None, released_today=lambda: ()
    )
    guard = Guard([rule for rule in everything if rules(rule.name)], today=_today)
    return Pipeline(classifier=classifier, eyes=_Blind(), topics_of=lambda sight: (), guard=guard)


class _Blind:
    """Stands where the eyes are: lines of text need none."""

    def look(self, photo: Photo) -> Sight:
        raise NotImplementedError

    def watch(self, clip: Clip) -> Sight:
        raise NotImplementedError


def _today() -> dt.date:
    return dt.date(2026, 1, 1)


def judge(lines: Sequence[written.Line], pipeline: Pipeline) -> list[Judged]:
    """Every line through the pipeline."""
    return [Judged(line, pipeline.read(Message(line.text))) for line in lines]


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that is measured on one set of lines."""

    leak: Share
    leak_by_category: Mapping[str, Share]
    false_stop: Share
    misleading_stop: Share
    right: Share
    right_by_field: Mapping[str, Share]
    none_with_event: Share
    reliability: Sequence[tuple[str, float, Share]]
    """Range of stated probabilities, their mean, and how often the topic was right."""

    @classmethod
    def of(cls, judged: Sequence[Judged]) -> Figures:
        sensitive = [each for each in judged if each.line.category]
        harmless = [each for each in judged if not each.line.category]
        misleading = [each for each in harmless if each.line.path.name.startswith("misleading")]
        ordinary = [each for each in harmless if not each.line.path.name.startswith("misleading")]
        of_topics = [each for each in ordinary if each.line.topic_ids]
        return cls(
            leak=_share(sensitive, lambda each: bool(each.verdict.events)),
            leak_by_category=_shares(sensitive, _category, lambda each: bool(each.verdict.events)),
            false_stop=_share(ordinary, lambda each: each.stopped),
            misleading_stop=_share(misleading, lambda each: each.stopped),
            right=_share(ordinary, lambda each: each.right),
            right_by_field=_shares(
                of_topics, lambda each: interest_field(each.line.topic_ids[0]), lambda each: each.right
            ),
            none_with_event=_share(
                [each for each in harmless if not each.line.topic_ids], lambda each: bool(each.verdict.events)
            ),
            reliability=_reliability(harmless),
        )

    @property
    def macro_right(self) -> float:
        """Mean over the fields of interest, each counting the same."""
        values = [share.value for share in self.right_by_field.values()]
        return sum(values) / len(values) if values else 0.0

    def rows(self) -> Iterable[tuple[str, str]]:
        yield "sensitive lines that release anything (leak)", str(self.leak)
        for category, share in sorted(self.leak_by_category.items(), key=lambda item: -item[1].value):
            yield f"- {category}", str(share)
        yield "ordinary lines stopped as sensitive", str(self.false_stop)
        yield "misleading lines stopped", str(self.misleading_stop)
        yield "topic right, or rightly none", str(self.right)
        yield "topic right, mean over fields of interest", f"{self.macro_right:6.2%} over {len(self.right_by_field)}"
        worst = sorted(self.right_by_field.items(), key=lambda item: item[1].value)[:5]
        for field, share in worst:
            yield f"- {field}", str(share)
        yield "lines without a topic that give an event", str(self.none_with_event)
        for span, stated, share in self.reliability:
            yield f"calibration, stated {span}", f"{stated:6.2%} stated, {share} right"


def _category(judged: Judged) -> str:
    return judged.line.category or ""


def _share(judged: Sequence[Judged], holds: Callable[[Judged], bool]) -> Share:
    return Share(sum(map(holds, judged)), len(judged))


def _shares(
    judged: Sequence[Judged], group: Callable[[Judged], str], holds: Callable[[Judged], bool]
) -> dict[str, Share]:
    groups: dict[str, list[Judged]] = defaultdict(list)
    for each in judged:
        groups[group(each)].append(each)
    return {name: _share(members, holds) for name, members in groups.items()}


def _reliability(judged: Sequence[Judged]) -> list[tuple[str, float, Share]]:
    told = [(max(event.percentage for event in each.verdict.events), each) for each in judged if each.verdict.events]
    rows = []
    for low, high in ((0, 50), (50, 70), (70, 85), (85, 95), (95, 101)):
        inside = [(percentage, each) for percentage, each in told if low <= percentage < high]
        if inside:
            mean = sum(percentage for percentage, _ in inside) / len(inside) / 100
            right = _share([each for _, each in inside], lambda each: each.right)
            rows.append((f"{low} to {min(high, 100)} %", mean, right))
    return rows


def keyword_baseline(lines: Sequence[written.Line]) -> list[Judged]:
    """What a keyword list does: stops by the lexicons, and names a topic whose label stands in the line."""
    lexicon = LexiconRule.load()
    names = {
        topic.label.lower(): topic.id
        for topic in sorted(vocabulary.taxonomy().values(), key=lambda topic: -topic.id)
        if topic.id in vocabulary.sendable()
    }

    def observe(text: str) -> Observation:
        words = re.findall(r"[\w']+", text.lower())
        runs = [" ".join(words[i : i + n]) for n in (3, 2, 1) for i in range(len(words) - n + 1)]
        found = next((names[run] for run in runs if run in names), None)
        return Observation(Source.TEXT, [TopicScore(found, 1.0)] if found else [], words=text)

    guard = Guard([lexicon], today=_today)
    return [Judged(line, guard.judge(observe(line.text))) for line in lines]


def measured_lines(paths: Iterable[Path]) -> list[written.Line]:
    return [line for path in sorted(paths) for line in written.read(path)]


def report(title: str, judged: Sequence[Judged]) -> Figures:
    figures = Figures.of(judged)
    print(f"\n## {title}: {len(judged)} lines")
    for name, value in figures.rows():
        print(f"{name:48} {value}")
    return figures


def write_tables(columns: Mapping[str, Figures], milliseconds: float) -> None:
    """Puts the figures between the markers in the model's card and the README."""
    rows = [f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    told = [dict(figures.rows()) for figures in columns.values()]
    rows += [
        f"| {name} | {' | '.join(each.get(name, '').strip() for each in told)} |"
        for name in told[0]
        if not name.startswith("calibration")
    ]
    for name, value in columns["text"].rows():
        if name.startswith("calibration"):
            rows.append(f"| {name} | {value.strip()} |{' |' * (len(columns) - 1)}")
    rows.append(f"| milliseconds a line, the whole pipeline, on the machine that ran this | {milliseconds:.1f} |")
    for path in (REPOSITORY / "README.md", TEXT.card):
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        path.write_text(f"{before}{BEGIN}\n{chr(10).join(rows)}\n{END}{after}", encoding="utf-8")


def what_rules_add(lines: Sequence[written.Line]) -> None:
    """Leak and false stops with each rule left out, to see what it adds and costs."""
    print("\n## Each rule left out: leak, false stops, misleading stops")
    for left_out in ("none", "sensitive_topic", "lexicon", "identifier"):
        figures = Figures.of(judge(lines, agent_pipeline(functools.partial(operator.ne, left_out))))
        print(
            f"without {left_out:16} {figures.leak.value:6.2%} {figures.false_stop.value:6.2%}"
            f" {figures.misleading_stop.value:6.2%}"
        )


def below_floors(text: Figures, speech: Figures | None) -> list[str]:
    """What is worse than `floors.json` allows; each floor is a little under what was reached."""
    floors = json.loads(FLOORS.read_text(encoding="utf-8"))
    reached = {
        "leak": text.leak.value,
        "worst_category_leak": max((share.value for share in text.leak_by_category.values()), default=0.0),
        "false_stop": text.false_stop.value,
        "misleading_stop": text.misleading_stop.value,
        "wrong_topic": 1 - text.right.value,
        "none_with_event": text.none_with_event.value,
    }
    if speech is not None:
        reached["speech_leak"] = speech.leak.value
        reached["speech_wrong_topic"] = 1 - speech.right.value
    return [
        f"{name} is {value:.2%}, allowed is {floors[name]:.2%}"
        for name, value in reached.items()
        if value > floors[name]
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", nargs="+", type=Path, help="measure these files instead of the stored sets")
    parser.add_argument("--errors", type=Path, help="write every line that went wrong into this file")
    parser.add_argument("--write", action="store_true", help="write the figures into the model's card and the README")
    parser.add_argument("--rules", action="store_true", help="also measure with each rule left out")
    args = parser.parse_args()

    lines = measured_lines(args.lines or [p for p in MEASURE.glob("*.tsv") if not p.name.startswith("speech")])
    pipeline = agent_pipeline()
    pipeline.read(Message("the first line pays for what is set up lazily"))
    began = time.perf_counter()
    judged = judge(lines, pipeline)
    each = (time.perf_counter() - began) / len(lines)
    text = report("Text", judged)
    print(f"{'milliseconds a line':48} {each * 1e3:6.2f}")
    if args.errors:
        write_errors(judged, args.errors)
    baseline = report("Text, keyword baseline", keyword_baseline(lines))
    if args.rules:
        what_rules_add(lines)
    if args.lines:
        return 0
    spoken = measured_lines(MEASURE.glob("speech*.tsv"))
    speech = report("Recognised speech", judge(spoken, pipeline)) if spoken else None
    if args.write:
        columns = {"text": text, "keyword baseline": baseline}
        write_tables(columns | ({"recognised speech": speech} if speech else {}), each * 1e3)
    faults = below_floors(text, speech)
    for fault in faults:
        print(f"below the floor: {fault}")
    return 1 if faults else 0


def write_errors(judged: Sequence[Judged], path: Path) -> None:
    """Leaks, false stops and wrong topics, for a person to read."""
    with path.open("w", encoding="utf-8") as file:
        for each in judged:
            objection = each.verdict.objection
            leaked = bool(each.line.category) and bool(each.verdict.events)
            wrong = not each.line.category and (each.stopped or not each.right)
            if leaked or wrong:
                kind = "leak" if leaked else "stopped" if each.stopped else "topic"
                became = objection.category if objection else each.named
                file.write(f"{kind}\t{each.line.label}\t{became}\t{each.line.text}\n")


if __name__ == "__main__":
    sys.exit(main())
