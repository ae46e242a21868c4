"""What counts as the right topic when the model is measured."""

from __future__ import annotations

import judging
import pytest

BOARD_GAMES, CARD_GAMES, FISHING = 446, 447, 643
PUZZLES_TO_BUY, COFFEE_MAKERS, CINEMA_TICKETS, FISHING_GEAR = 1365, 1293, 787, 1641
MOVIES = 467


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (BOARD_GAMES, CARD_GAMES),
        (FISHING_GEAR, FISHING),
        (CINEMA_TICKETS, MOVIES),
        (MOVIES, CINEMA_TICKETS),
        (PUZZLES_TO_BUY, BOARD_GAMES),
    ],
)
def test_a_topic_is_kin_to_its_field_and_to_the_purchases_of_it(one: int, other: int) -> None:
    """Whichever of the two was named and whichever is stored."""
    assert judging.is_kin(one, other)


@pytest.mark.parametrize(
    ("one", "other"), [(FISHING, BOARD_GAMES), (COFFEE_MAKERS, FISHING), (CINEMA_TICKETS, PUZZLES_TO_BUY)]
)
def test_a_topic_is_not_kin_to_what_is_bought_for_another(one: int, other: int) -> None:
    """Nor are two purchases kin because an interest goes with both."""
    assert not judging.is_kin(one, other)
