"""The lines written for the project: read, check, and take out what repeats.

`data/train` and the numbered folders after it are trained on, `data/validate` chooses thresholds, `data/measure`
measures.

A file of lines is tab-separated, `label<TAB>text`, one line an utterance; `#` starts a comment. A label is
- one or more sendable topic ids, the most specific first, joined by commas: `672` or `1637,672`;
- `none`: harmless, and of no topic;
- a sensitive category, one of `CATEGORIES`, or `not_english`.
Where a line is what a speech recogniser heard, its mean word confidence (0 to 1) follows after another tab.

    python tools/models/lines.py check FILE...      what is wrong or repeats, and counts by label; exits 1 on a fault
    python tools/models/lines.py prune FILE...      rewrites the files without wrong lines and near-duplicates
    ... prune FILE... --apart-from FILE...          also without what is like a line of the second files, which measure
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inkling import topics

DATA = Path(__file__).parent / "data"
CATEGORIES = (
    "religion",
    "philosophical_belief",
    "sexual_orientation",
    "political_views",
    "health",
    "ethnic_origin",
    "trade_union",
    "children",
)
NOT_ENGLISH = "not_english"
NONE = "none"
WORDS = range(1, 61)
"""How many words a line may have; commands of one word are real."""
NEAR = 0.75
"""Jaccard similarity of two lines' word pairs from which the later one counts as a near-duplicate."""
APART = 0.5
"""The same between a line to train on and one that measures: those must not even be alike."""


Shingles = frozenset[tuple[str, ...]]
"""The pairs of neighbouring words of a line; of a line of one or two words, the whole."""


@dataclass(frozen=True, slots=True)
class Line:
    """One written line. `label` is a category, `none`, or topic ids joined by commas."""

    path: Path
    number: int
    label: str
    text: str
    confidence: float | None = None
    """Of recognised speech, the recogniser's mean word confidence; None of written lines."""

    @property
    def topic_ids(self) -> tuple[int, ...]:
        return () if self.label == NONE or self.category else tuple(map(int, self.label.split(",")))

    @property
    def category(self) -> str | None:
        return self.label if self.label in CATEGORIES or self.label == NOT_ENGLISH else None

    @property
    def raw(self) -> str:
        """The line as it stands in its file."""
        ending = "" if self.confidence is None else f"\t{self.confidence:.2f}"
        return f"{self.label}\t{self.text}{ending}"

    def fault(self) -> str | None:
        """What is wrong with the line, or None."""
        if len(self.text.split()) not in WORDS:
            return f"{len(self.text.split())} words, allowed are {WORDS.start} to {WORDS.stop - 1}"
        return self.label_fault()

    def label_fault(self) -> str | None:
        """What is wrong with the label, or None."""
        if self.label != NONE and self.category is None:
            for part in self.label.split(","):
                if not part.isdigit():
                    return f"label {self.label!r} is neither topic ids, 'none' nor a category"
                if int(part) not in topics.sendable():
                    return f"topic {part} may not be sent ({topics.withheld().get(int(part), 'unknown id')})"
        return None


def read(path: Path) -> list[Line]:
    """The lines of one file. Raises `ValueError` naming file and line where there is no tab."""
    lines = []
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not raw.strip() or raw.startswith("#"):
            continue
        label, tab, rest = raw.partition("\t")
        if not tab:
            raise ValueError(f"{path}:{number}: no tab between label and text")
        text, _, confidence = rest.partition("\t")
        lines.append(Line(path, number, label.strip(), text.strip(), float(confidence) if confidence else None))
    return lines


def read_all(paths: Iterable[Path]) -> list[Line]:
    """The lines of several files, one after another."""
    return [line for path in paths for line in read(path)]


def read_folder(folder: Path) -> list[Line]:
    """The lines of every file in a folder, in the order of their names."""
    return read_all(sorted(folder.glob("*.tsv")))


def is_interest(topic: int) -> bool:
    """Whether a topic is of the *Interest* branch; else it is a purchase."""
    return topics.taxonomy()[topic].name.startswith("Interest")


def training_lines() -> list[Line]:
    """Every line that the model is trained on."""
    return [line for folder in sorted(DATA.glob("train*")) for line in read_folder(folder)]


def _shingles(text: str) -> Shingles:
    words = re.findall(r"[\w']+", text.lower())
    return frozenset(itertools.pairwise(words)) if len(words) > 2 else frozenset({tuple(words)})


class _Index:
    """Lines by their word pairs (see `_shingles`), to find the one that another line repeats."""

    def __init__(self) -> None:
        self._holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self._sizes: dict[int, int] = {}

    def add(self, number: int, pairs: Shingles) -> None:
        self._sizes[number] = len(pairs)
        for pair in pairs:
            self._holders[pair].append(number)

    def repeated(self, pairs: Shingles, near: float) -> int | None:
        """The number of a line whose word pairs have a Jaccard similarity of at least `near` to `pairs`."""
        shared = Counter(number for pair in pairs for number in self._holders.get(pair, ()))
        likeliest = (
            number
            for number, count in shared.most_common(20)
            if count / (len(pairs) + self._sizes[number] - count) >= near
        )
        return next(likeliest, None)


def near_duplicates(lines: Sequence[Line]) -> dict[int, int]:
    """For each line that repeats an earlier one (see NEAR): its index to the earlier one's."""
    index = _Index()
    found: dict[int, int] = {}
    for number, line in enumerate(lines):
        pairs = _shingles(line.text)
        earlier = index.repeated(pairs, NEAR)
        if earlier is None:
            index.add(number, pairs)
        else:
            found[number] = earlier
    return found


def alike(lines: Sequence[Line], measuring: Sequence[Line]) -> set[int]:
    """Indices of the `lines` that are like one of `measuring` (see APART)."""
    index = _Index()
    for number, line in enumerate(measuring):
        index.add(number, _shingles(line.text))
    return {number for number, line in enumerate(lines) if index.repeated(_shingles(line.text), APART) is not None}


def _where(line: Line) -> str:
    return f"{line.path.name}:{line.number}"


def check(paths: Iterable[Path]) -> bool:
    """Prints faults, repeats and counts; True where there is no fault."""
    lines = read_all(paths)
    faults = [(line, fault) for line in lines if (fault := line.fault())]
    for line, fault in faults[:50]:
        print(f"{_where(line)}: {fault}: {line.text[:80]}")
    repeats = near_duplicates(lines)
    for index, earlier in list(repeats.items())[:40]:
        print(f"{_where(lines[index])} repeats {_where(lines[earlier])}: {lines[index].text[:90]}")
    counts = Counter(line.category or ("none" if not line.topic_ids else line.topic_ids[0]) for line in lines)
    print(" ".join(f"{label}:{count}" for label, count in sorted(counts.items(), key=str)))
    openings = Counter(" ".join(line.text.lower().split()[:2]) for line in lines)
    print("commonest openings:", ", ".join(f"{opening} {count}" for opening, count in openings.most_common(12)))
    print(f"{len(lines)} lines, {len(faults)} faults, {len(repeats)} near-duplicates")
    return not faults


def prune(paths: Sequence[Path], measuring: Sequence[Path]) -> None:
    """Rewrites each file without faulty lines, lines that repeat an earlier one, and lines like one of `measuring`."""
    lines = read_all(paths)
    gone = {index for index, line in enumerate(lines) if line.fault()} | near_duplicates(lines).keys()
    gone |= alike(lines, read_all(measuring))
    for path in paths:
        kept = [line for index, line in enumerate(lines) if line.path == path and index not in gone]
        path.write_text("".join(f"{line.raw}\n" for line in kept), encoding="utf-8")
    print(f"{len(lines) - len(gone)} lines kept, {len(gone)} taken out")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("check", "prune"))
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--apart-from", nargs="+", type=Path, default=[], metavar="FILE", help="lines that measure")
    args = parser.parse_args()
    if args.action == "prune":
        prune(args.files, args.apart_from)
        return 0
    return 0 if check(args.files) else 1


if __name__ == "__main__":
    sys.exit(main())
