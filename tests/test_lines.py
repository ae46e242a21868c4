"""The lines that the text model is trained on, and those that measure it, have nothing to do with each other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import lines
import pytest

from inkling import topics

FOLDERS = sorted(folder.name for folder in lines.DATA.iterdir() if folder.is_dir())


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_line_has_a_label_that_may_be_sent(folder: str) -> None:
    """Or that says why nothing is."""
    read = lines.read_folder(lines.DATA / folder)
    assert read
    assert [f"{line.path.name}:{line.number}" for line in read if line.label_fault()] == []


def test_there_are_lines_enough_of_everything() -> None:
    """Written ones, without what a recogniser heard: for every interest, two hundred purchases, and each category."""
    written = [line for line in lines.read_folder(lines.DATA / "train") if line.confidence is None]
    of_topic = Counter(topic for line in written for topic in line.topic_ids)
    of_label = Counter(line.label for line in written)
    branch = {node: topics.taxonomy()[node].name.partition(" | ")[0] for node in topics.sendable()}
    assert [node for node, name in branch.items() if name == "Interest" and of_topic[node] < 25] == []
    assert sum(name.startswith("Purchase Intent") and of_topic[node] >= 15 for node, name in branch.items()) >= 200
    assert of_label[lines.NONE] >= 3000
    assert [category for category in lines.CATEGORIES if of_label[category] < 1200] == []
    assert sum(line.path.name.startswith("misleading") for line in written) >= 5000


@pytest.mark.parametrize("folder", [folder for folder in FOLDERS if folder != "measure"])
def test_nothing_is_trained_on_that_is_like_a_measuring_line(folder: str) -> None:
    """Else a figure would say how well the model remembers."""
    read = lines.read_folder(lines.DATA / folder)
    measuring = lines.read_folder(lines.DATA / "measure")
    assert [read[number].text for number in sorted(lines.alike(read, measuring))] == []


def test_alike_is_what_shares_most_word_pairs() -> None:
    """A word more or less does not make another line; the same subject in other words does."""

    def of(*texts: str) -> list[lines.Line]:
        return [lines.Line(Path("x.tsv"), 1, "none", text) for text in texts]

    measuring = of("turn the lights in the hall off please")
    near, far = "Turn the lights in the hall off.", "switch off what shines in the hall"
    assert lines.alike(of(near, far), measuring) == {0}
