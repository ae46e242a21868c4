"""What may import what, and what may be in a message: the seams that the design rests on."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HALVES = {"inkling_device": ROOT / "device", "inkling_server": ROOT / "server"}


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def files(package: str) -> list[Path]:
    found = sorted((HALVES[package] / package).rglob("*.py"))
    assert found, package
    return found


@pytest.mark.parametrize(
    ("half", "other"), [("inkling_device", "inkling_server"), ("inkling_server", "inkling_device")]
)
def test_the_halves_share_only_the_contract(half: str, other: str) -> None:
    """Device and server know each other by messages alone, and neither knows the tools."""
    for path in files(half):
        for module in imported(path):
            assert module.partition(".")[0] not in {other, "inkling_emulator", "tests"}, f"{path} imports {module}"


def test_the_contract_knows_neither_half() -> None:
    """So that a third program can use it."""
    for path in (ROOT / "protos/python").rglob("*.py"):
        for module in imported(path):
            assert module.partition(".")[0] not in HALVES, f"{path} imports {module}"


@pytest.mark.parametrize("outside", ["privacy", "understand", "see", "listen", "capture"])
def test_what_sees_words_and_pixels_cannot_talk_to_the_network(outside: str) -> None:
    """The stages before the outbox import no network library and no wire code."""
    forbidden = {"grpc", "aiohttp", "urllib", "http", "requests"}
    for path in (HALVES["inkling_device"] / "inkling_device" / outside).rglob("*.py"):
        for module in imported(path):
            top = module.partition(".")[0]
            wire = module.startswith("inkling.") and not module.startswith("inkling.topics")
            assert top not in forbidden, f"{path} imports {module}"
            assert not wire, f"{path} imports {module}"
            assert module not in {"inkling_device.sync", "inkling_device.wire", "inkling_device.uplink"}, path


def test_the_guard_alone_makes_events() -> None:
    """Besides it, only the code that reads events back from disk or the wire names the class to build one."""
    makers = set()
    for path in files("inkling_device"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "InterestEvent":
                makers.add(path.name)
    assert makers == {"guard.py", "outbox.py", "ledger.py", "testing.py"}
