"""What the acceptance tests share: real models, real files, the command line as it is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from inkling_device.models import fetch


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind."""

    exit_code: int
    outcomes: list[dict[str, Any]]
    stderr: str


DryRun = Callable[..., Ran]


@pytest.fixture(scope="session", autouse=True)
def _speech_model() -> None:
    """A missing model is a fault of the set-up, not a reason to skip."""
    try:
        fetch.speech_model()
    except fetch.SpeechModelMissingError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="session")
def dry_run() -> DryRun:
    """Calls `inkling-device dry-run` and reads its JSON lines."""

    def run(*arguments: str, text: bytes = b"") -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "inkling_device.cli", "dry-run", *arguments],
            input=text,
            capture_output=True,
            check=False,
        )
        outcomes = [json.loads(line) for line in done.stdout.splitlines()]
        return Ran(done.returncode, outcomes, done.stderr.decode())

    return run
