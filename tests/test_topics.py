"""The vocabulary: nothing protected can be sent, and every reason is known."""

from __future__ import annotations

import pytest

from inkling import topics


def test_the_vocabulary_is_the_two_branches() -> None:
    """Interest and Purchase Intent of the Audience Taxonomy 1.1; no demographics."""
    assert {topic.name.partition(" | ")[0] for topic in topics.taxonomy().values()} == {"Interest", "Purchase Intent"}
    assert len(topics.taxonomy()) == 1361


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        (530, "political views"),  # Elections, below News and Politics
        (397, "health"),  # Hospitals, two below Health and Medical Services
        (503, "religion or belief"),
        (1097, "religion or belief"),  # Matzoh Food: its own reason, not that of "Ethnic" above it
        (1098, "racial or ethnic origin"),
        (378, "philosophical belief"),
        (926, "sexual orientation or sex life"),
        (354, "children"),
        (654, "gambling"),
        (646, "weapons"),
        (206, "carries no interest"),
    ],
)
def test_a_withheld_node_withholds_all_below_it(topic: int, reason: str) -> None:
    """With the reason of the nearest node that has one."""
    assert topics.withheld()[topic] == reason
    assert topic not in topics.sendable()


@pytest.mark.parametrize("topic", [672, 637, 1637, 607, 504])
def test_plain_interests_are_sendable(topic: int) -> None:
    """The branches' roots withhold only themselves."""
    assert topic in topics.sendable()


def test_sendable_and_withheld_make_up_the_whole() -> None:
    """No node is forgotten."""
    assert topics.sendable() | topics.withheld().keys() == topics.taxonomy().keys()
    assert not topics.sendable() & topics.withheld().keys()


@pytest.mark.parametrize(
    "word",
    ["religio", "politic", "health", "medic", "pharma", "gambl", "alcohol", "hunting", "baby", "parenting", "ethnic"],
)
def test_no_sendable_name_tells(word: str) -> None:
    """Read by its words, too."""
    harmless = {"Healthy Living", "Healthy Cooking and Eating", "Gyms and Health Clubs", "Non-Alcoholic Beverages"}
    for topic in topics.sendable():
        parts = [part for part in topics.taxonomy()[topic].name.split(" | ") if part not in harmless]
        assert word not in " ".join(parts).lower(), topics.taxonomy()[topic]
