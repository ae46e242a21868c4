"""The demonstration as `make demo` runs it: real models, real speech, a real server that is killed on the way."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.models


def test_the_demonstration_comes_to_what_its_day_expects() -> None:
    """Without a terminal it ends by itself, with exit code 0: every input met its expectation, nothing was lost."""
    command = [sys.executable, "-m", "inkling_emulator.cli", "demo"]
    environment = {**os.environ, "COLUMNS": "100"}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for shown in ("The day", "The profile, read back over gRPC", "What the network saw", "bytes for each event"):
        assert shown in " ".join(ran.stdout.replace("│", " ").split())
    assert max(len(line.rstrip()) for line in ran.stdout.splitlines()) <= 100
    assert ran.stderr == ""
