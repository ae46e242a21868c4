"""Durable saves a second with 128 in flight, against one fdatasync for each of as many appends.

The floor is the least that a store without group commit can do: it appends 1.5 KB, the size of a usual profile, and
makes it durable, one after another. The store loads a profile of that size, encodes, encrypts and saves it. Both write
to the file system of the checkout, because the directory for temporary files is often in memory.

A disk's pace changes while it is used, so rounds are short and alternate, and the ratio is the median of those of a
round of saves to the round of appends before it. A save takes some 45 microseconds of CPU: where an fdatasync takes
less than `QUICK_DISK`, the CPU and not the disk is what bounds the store, and the ratio is told but not judged.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import uvloop

from inkling_server.profile import Contribution, Profile, Week
from inkling_server.profile_codec import encode
from inkling_server.stores import ProfileStore, open_store

TARGET = 10.0
IN_FLIGHT = 128
ACCOUNTS = 1024
CELLS, WEEKS = 150, 8
"""Of each profile: about 1.5 KB encoded."""
QUICK_DISK = 0.0005
"""Seconds."""
BUILD = Path(__file__).parents[2] / "build"


def appends(directory: Path, seconds: float, record: bytes) -> float:
    """Appends a second, each with an fdatasync of its own."""
    descriptor = os.open(directory / "appends", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    started = time.monotonic()
    count = 0
    while time.monotonic() < started + seconds:
        os.write(descriptor, record)
        os.fdatasync(descriptor)
        count += 1
    os.close(descriptor)
    return count / (time.monotonic() - started)


async def saves(store: ProfileStore, seconds: float) -> float:
    """Loads and saves a second, of profiles chosen at random, one of each account at a time."""
    waiting = list(range(ACCOUNTS))
    random.Random(1).shuffle(waiting)
    started = time.monotonic()
    count = 0

    async def worker() -> None:
        nonlocal count
        while time.monotonic() < started + seconds:
            number = waiting.pop(0)
            account = f"account-{number}"
            profile, revision = await store.load(account)
            await store.save(account, touched(profile), expected=revision)
            waiting.append(number)
            count += 1

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return count / (time.monotonic() - started)


def touched(profile: Profile) -> Profile:
    """The profile after an empty batch: the least that a push changes. Merging is not what this measures."""
    held = profile.contributions["pairing"]
    return replace(profile, contributions={"pairing": replace(held, last_sequence=held.last_sequence + 1)})


def profile(random_: random.Random) -> Profile:
    """A profile of the usual size: 150 cells over eight weeks."""
    weeks = {}
    for number in range(2930, 2930 + WEEKS):
        topics = random_.sample(range(207, 1000), CELLS // WEEKS)
        cells = {(topic, random_.choice((1, 1, 3))): (3, 240, 1, 4) for topic in topics}
        weeks[number] = Week(number, cells)
    return Profile({"pairing": Contribution(1, weeks)})


async def run(directory: Path, rounds: int, seconds: float) -> list[tuple[float, float]]:
    """Appends and saves a second, of each round."""
    random_ = random.Random(2)
    record = encode(profile(random_))
    print(f"profile: {len(record)} bytes encoded")
    async with open_store(f"sqlite://{directory / 'profiles.db'}") as store:
        for number in range(ACCOUNTS):
            _, revision = await store.load(f"account-{number}")
            await store.save(f"account-{number}", profile(random_), expected=revision)
        await saves(store, seconds)
        return [
            (await asyncio.to_thread(appends, directory, seconds, record), await saves(store, seconds))
            for _ in range(rounds)
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a short run that reports and never fails")
    quick = parser.parse_args().quick
    rounds, seconds = (5, 0.5) if quick else (15, 1.0)
    BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as directory:
        results = uvloop.run(run(Path(directory), rounds, seconds))
    floor, reached = (statistics.median(column) for column in zip(*results, strict=True))
    print(f" fdatasync an append: {floor:7.0f} a second, {1e6 / floor:5.0f} us each")
    print(f"        group commit: {reached:7.0f} a second, {1e6 / reached:5.0f} us each")
    ratio = statistics.median(saved / appended for appended, saved in results)
    judged = 1 / floor >= QUICK_DISK
    target = f"at least {TARGET:.0f}" if judged else "not judged: the disk is too quick to be what bounds it"
    print(f"group commit: {ratio:.1f} of one fdatasync an append ({target})")
    return 0 if quick or not judged or ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
