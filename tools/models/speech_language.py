"""Teaches the speech model what wearers say: mixes the word triples of the training lines into those it came with.

    python tools/models/speech_language.py OUT.fst [--without FILE.tsv...]

The small English model of Vosk expects the language of its makers' texts. Its decoder takes the language from one file,
`graph/Gr.fst`, whose words carry numbers that fit the other files, so that file alone is replaced, by one as large.
Reads and writes it with OpenFst (Debian packages libfst-tools and libfst22-plugins-base). Prints how surprised the
language of before and the mixed one are by the lines that measure.

Lines that are to be spoken and recognised for training must not be among those it reads: a language that knows a line
by heart mishears it less than what a wearer says. `--without` leaves out the lines of some files.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import lines as written
from ngrams import END, ORDER, START, Context, NgramModel, kneser_ney, mixed, perplexity, pruned

from inkling_device.listen.wake import WAKE_PHRASE
from inkling_device.models import fetch

LINES_SHARE = 0.6
"""How much of the mixture the lines are. Between 0.5 and 0.85 the words heard right are the same to half a point; more
would only cost what wearers say that no line is like."""
NGRAMS = 1_930_000
"""As many as give a file of the size that the model came with, so that the agent's memory stays what it was."""
LANGUAGE_WEIGHT = 1.2
"""What the language counts for against the sound: on 400 spoken lines the word error rate is 21.7 % at 1.2, 22.1 % at
1.0 and 24.6 % at 0.85, and the more it counts the less there is to search."""
ADDRESSED_EVERY = 8
"""One line in so many also stands with the wake phrase before it, as it does in a recording from start to end."""

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*|[^\s.,;:!?\"()-]+")
"""A word as the speech model writes them, or what is none, such as a figure."""

Symbols = Mapping[str, int]


def _fst(program: str, *arguments: str | Path, folder: Path | None = None) -> str:
    """What an OpenFst program prints, run in `folder`. Raises `SystemExit` where it is not installed or fails."""
    plugins = next(Path("/usr/lib").glob("*/fst/*/ngram-fst.so"), None)
    if plugins is None:
        raise SystemExit("OpenFst is not installed: apt-get install libfst-tools libfst22-plugins-base")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(plugins.parent)}
    done = subprocess.run(
        [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{program} failed: {done.stderr}")
    return done.stdout


def read_graph(graph: Path, folder: Path) -> tuple[Symbols, NgramModel]:
    """The words of a decoder's language graph with their numbers, and its model; `folder` is for what comes between."""
    listing = _fst("fstprint", f"--save_osymbols={folder / 'words.txt'}", graph)
    rows = (line.split("\t") for line in (folder / "words.txt").read_text(encoding="utf-8").splitlines())
    symbols = {word: int(number) for word, number in rows}
    return symbols, _model(listing, symbols)


def _model(listing: str, symbols: Symbols) -> NgramModel:
    """The model in what `fstprint` says: a state is a context, its arc without a word the way to the shorter one."""
    arcs: dict[int, dict[int, tuple[int, float]]] = {}
    shorter: dict[int, tuple[int, float]] = {}
    ends: dict[int, float] = {}
    start = int(listing[: listing.index("\t")])
    for line in listing.splitlines():
        fields = line.split("\t")
        state = int(fields[0])
        if len(fields) <= 2:
            ends[state] = _probability(fields[1:])
        elif fields[2] == "<eps>":
            shorter[state] = int(fields[1]), _probability(fields[4:])
        else:
            arcs.setdefault(state, {})[symbols[fields[2]]] = int(fields[1]), _probability(fields[4:])
    empty = next(state for state in arcs if state not in shorter)
    contexts: dict[int, Context] = {empty: ()}
    longest = [empty]
    while longest:
        # An arc leads to a context that is longer by its word, or to one met before, which is shorter.
        longer = {
            target: (*contexts[state], word)
            for state in longest
            for word, (target, _) in arcs.get(state, {}).items()
            if target not in contexts
        }
        if longest == [empty]:
            longer[start] = (START,)
        contexts.update(longer)
        longest = list(longer)
    model = NgramModel({})
    for state, context in contexts.items():
        model.rows[context] = {word: probability for word, (_, probability) in arcs.get(state, {}).items()}
        if state in ends:
            model.rows[context][END] = ends[state]
        if state in shorter:
            model.backoffs[context] = shorter[state][1]
    return model


def _probability(weight: Sequence[str]) -> float:
    """Graphs hold negative logarithms, and leave out a zero."""
    return math.exp(-float(weight[0])) if weight else 1.0


def write_graph(model: NgramModel, folder: Path, out: Path) -> None:
    """Writes `model` as a language graph with the words in `folder`."""
    listing, compiled, named = folder / "graph.txt", folder / "graph.fst", folder / "named.fst"
    listing.write_text("".join(_arcs(model)), encoding="ascii")
    _fst("fstcompile", listing, compiled)
    _fst("fstarcsort", "--sort_type=ilabel", compiled, named)
    # Named from within the folder, for the graph keeps the name.
    _fst("fstsymbols", "--isymbols=words.txt", "--osymbols=words.txt", named, compiled, folder=folder)
    _fst("fstconvert", "--fst_type=ngram", compiled, out)


def _arcs(model: NgramModel) -> Iterable[str]:
    """The arcs of every context's state as `fstcompile` reads them; it takes the first state for the start."""
    order = [(START,), *sorted(model.rows.keys() - {(START,)})]
    states = {context: state for state, context in enumerate(order)}

    def state_of(context: Context) -> int:
        while context not in states:
            context = context[1:]
        return states[context]

    def weight(probability: float) -> str:
        return f"{-LANGUAGE_WEIGHT * math.log(probability):.6f}"

    for context, state in states.items():
        if context:
            yield f"{state} {state_of(context[1:])} 0 0 {weight(model.backoffs.get(context, 1.0))}\n"
        for word, probability in model.rows[context].items():
            if word == END:
                yield f"{state} {weight(probability)}\n"
            else:
                yield f"{state} {state_of((*context, word)[1 - ORDER :])} {word} {word} {weight(probability)}\n"


def sentences(lines: Iterable[written.Line], symbols: Symbols) -> list[list[int | None]]:
    """The numbers of the words of each line; None for figures and words that the speech model does not know."""
    texts = (line.text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") for line in lines)
    return [[symbols.get(word) for word in _WORD.findall(text)] for text in texts]


def training_sentences(symbols: Symbols, without: Iterable[written.Line]) -> list[list[int | None]]:
    """What people write and say, each once: not what was misheard, and nothing in another language."""
    lines = {
        line.text.lower(): line
        for line in written.training_lines()
        if line.confidence is None and line.label != written.NOT_ENGLISH and "misheard" not in line.path.name
    }
    for line in without:
        lines.pop(line.text.lower(), None)
    plain = sentences(lines.values(), symbols)
    phrase: list[int | None] = [symbols[word] for word in WAKE_PHRASE.split()]
    return [*plain, *([*phrase, *sentence] for sentence in plain[::ADDRESSED_EVERY])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--without", nargs="+", type=Path, default=[], metavar="FILE", help="lines that it must not have read"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        symbols, theirs = read_graph(fetch.speech_model() / "graph" / "Gr.fst", folder)
        ours = kneser_ney(training_sentences(symbols, written.read_all(args.without)))
        both = pruned(mixed(ours, theirs, LINES_SHARE), NGRAMS)
        write_graph(both, folder, args.out)
    print(f"{theirs.ngrams:,} n-grams of the speech model, {ours.ngrams:,} of the lines, {both.ngrams:,} written")
    for path in sorted((written.DATA / "measure").glob("*.tsv")):
        lines = [line for line in written.read(path) if line.confidence is None]
        if lines:
            measuring = sentences(lines, symbols)
            before, after = perplexity(theirs, measuring), perplexity(both, measuring)
            print(f"perplexity of {path.name}: {before:.0f} before, {after:.0f} now")
    return 0


if __name__ == "__main__":
    sys.exit(main())
