"""Agent and server killed at random moments: every event counts once all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools/chaos/exactly_once.py"


def test_profiles_are_equal_with_and_without_kills() -> None:
    """Twenty-six SIGKILLs among 2,000 events; the tool itself does a thousand when asked."""
    done = subprocess.run(
        [sys.executable, str(TOOL), "--kills", "26", "--events", "2000"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "profiles equal: True" in done.stdout
