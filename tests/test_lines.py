"""The lines that the text model is trained on, and those that measure it, have nothing to do with each other."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from inkling import topics

MODELS = Path(__file__).parents[1] / "tools/models"
FOLDERS = ("train", "train_2", "train_3", "validate", "measure")


@pytest.fixture(scope="module")
def lines() -> ModuleType:
    """`tools/models/lines.py`, which is a script and no part of the package."""
    spec = importlib.util.spec_from_file_location("lines_of_the_text_model", MODELS / "lines.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_line_has_a_label_that_may_be_sent(folder: str, lines: ModuleType) -> None:
    """Or that says why nothing is."""
    read = lines.read_folder(MODELS / "data" / folder)
    assert read
    assert [f"{line.path.name}:{line.number}" for line in read if line.label_fault()] == []


def test_there_are_lines_enough_of_everything(lines: ModuleType) -> None:
    """Written ones, without what a recogniser heard: for every interest, two hundred purchases, and each category."""
    written = [line for line in lines.read_folder(MODELS / "data/train") if line.confidence is None]
    of_topic = Counter(topic for line in written for topic in line.topic_ids)
    of_label = Counter(line.label for line in written)
    branch = {node: topics.taxonomy()[node].name.partition(" | ")[0] for node in topics.sendable()}
    assert [node for node, name in branch.items() if name == "Interest" and of_topic[node] < 25] == []
    assert sum(name.startswith("Purchase Intent") and of_topic[node] >= 15 for node, name in branch.items()) >= 200
    assert of_label[lines.NONE] >= 3000
    assert [category for category in lines.CATEGORIES if of_label[category] < 1200] == []
    assert sum(line.path.name.startswith("misleading") for line in written) >= 5000


@pytest.mark.parametrize("folder", ["train", "train_2", "validate"])
def test_nothing_is_trained_on_that_is_like_a_measuring_line(folder: str, lines: ModuleType) -> None:
    """Else a figure would say how well the model remembers."""
    read = lines.read_folder(MODELS / "data" / folder)
    measuring = lines.read_folder(MODELS / "data/measure")
    assert [read[number].text for number in sorted(lines.alike(read, measuring))] == []


def test_alike_is_what_shares_most_word_pairs(lines: ModuleType) -> None:
    """A word more or less does not make another line; the same subject in other words does."""

    def of(*texts: str) -> list[object]:
        return [lines.Line(Path("x.tsv"), 1, "none", text) for text in texts]

    measuring = of("turn the lights in the hall off please")
    near, far = "Turn the lights in the hall off.", "switch off what shines in the hall"
    assert lines.alike(of(near, far), measuring) == {0}
