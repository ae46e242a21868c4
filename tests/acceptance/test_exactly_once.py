"""Agent and server killed at random moments: every event counts once all the same."""

from __future__ import annotations

import datetime as dt
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

TOOL = Path(__file__).parents[2] / "tools/chaos/exactly_once.py"
DAY = dt.date(2026, 5, 9)


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The tool and its feeder as modules."""
    monkeypatch.syspath_prepend(str(TOOL.parent))
    return importlib.import_module("exactly_once"), importlib.import_module("feeder")


def test_events_are_those_of_the_day_that_the_run_began(tools: tuple[Any, Any]) -> None:
    """A feeder that starts again after midnight goes on with the same events."""
    _, feeder = tools
    events = list(feeder.events(50, DAY))
    assert events == list(feeder.events(50, DAY))
    assert {event.day for event in events} <= {DAY - dt.timedelta(days=ago) for ago in range(9)}


async def test_profiles_are_compared_as_of_one_day(tools: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a day ends between the two readings, both are read again."""
    tool, _ = tools
    read = AsyncMock(side_effect=["yesterday's", "today's", "peace", "fire"])
    monkeypatch.setattr(tool, "profile", read)
    days = iter([DAY, DAY + dt.timedelta(days=1), DAY + dt.timedelta(days=1), DAY + dt.timedelta(days=1)])
    assert await tool.profiles(None, "key", ["peace", "fire"], lambda: next(days)) == ["peace", "fire"]


def test_profiles_are_equal_with_and_without_kills() -> None:
    """Twenty-six SIGKILLs among 2,000 events; the tool itself does a thousand when asked."""
    done = subprocess.run(
        [sys.executable, str(TOOL), "--kills", "26", "--events", "2000"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "profiles equal: True" in done.stdout
