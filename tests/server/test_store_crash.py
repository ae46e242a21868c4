"""A store whose process is killed keeps all that it acknowledged."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inkling_server.errors import RevisionConflict
from inkling_server.profile import Contribution, Profile, Week
from inkling_server.stores import ProfileStore, open_store

ACCOUNTS = 20


def profile(sequence: int) -> Profile:
    return Profile({"p": Contribution(sequence, {2940: Week(2940, {(672, 1): (sequence, 90, 0, 6)})})})


async def keep_saving(store: ProfileStore, account: str) -> None:
    """Saves one sequence after another and prints each as soon as it is acknowledged; runs until killed."""
    while True:
        held, revision = await store.load(account)
        sequence = held.last_sequence("p") + 1
        try:
            await store.save(account, profile(sequence), expected=revision)
        except RevisionConflict:
            continue
        print(account, sequence, flush=True)


SAVER = f"""
import asyncio, importlib.util, sys
spec = importlib.util.spec_from_file_location("crash", {__file__!r})
crash = importlib.util.module_from_spec(spec)
spec.loader.exec_module(crash)

async def main():
    async with crash.open_store(sys.argv[1]) as store:
        await asyncio.gather(*(crash.keep_saving(store, f"account {{n}}") for n in range(crash.ACCOUNTS)))

asyncio.run(main())
"""


def killed_amid_saves(url: str, delay: float) -> dict[str, int]:
    """The last sequence acknowledged of each account by a process that was killed `delay` seconds into its saves."""
    saver = subprocess.Popen([sys.executable, "-c", SAVER, url], stdout=subprocess.PIPE, text=True)
    assert saver.stdout is not None
    lines = [saver.stdout.readline()]  # it is saving now
    time.sleep(delay)
    saver.kill()
    lines += saver.stdout.readlines()
    saver.wait()
    found = {}
    for line in lines:
        if not line.endswith("\n"):  # it was killed in the middle of telling
            continue
        account, _, sequence = line.strip().rpartition(" ")
        found[account] = int(sequence)
    return found


@pytest.mark.parametrize("seed", range(5))
async def test_all_that_was_acknowledged_survives_a_kill(tmp_path: Path, seed: int) -> None:
    """SIGKILL amid saves, three times over: every acknowledged sequence is held, or the one that was under way."""
    url = f"sqlite://{tmp_path / 'profiles.db'}"
    delays = random.Random(seed)
    acknowledged: dict[str, int] = {}
    for _ in range(3):
        acknowledged |= killed_amid_saves(url, delays.uniform(0.0, 0.3))
        async with open_store(url) as store:
            for account, last in acknowledged.items():
                held, revision = await store.load(account)
                assert held.last_sequence("p") in (last, last + 1)
                assert revision == held.last_sequence("p")
                acknowledged[account] = held.last_sequence("p")
    assert len(acknowledged) == ACCOUNTS
