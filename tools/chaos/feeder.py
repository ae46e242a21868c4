"""Half of `exactly_once.py`: records a known list of events and syncs them, wherever an earlier run was killed.

    python tools/chaos/feeder.py STATE_DIR WEB_ADDRESS COUNT TODAY

What was recorded before is counted in the ledger, so a run begins where the killed one stopped. Ends when the server
has taken everything.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from inkling import topics
from inkling_device.clock import SystemClock
from inkling_device.observation import InterestEvent, Source
from inkling_device.settings import Settings
from inkling_device.state import State


def events(count: int, today: dt.date) -> Iterator[InterestEvent]:
    """The same `count` events at every call, of the nine days up to `today`, whatever day it has become meanwhile."""
    chance = random.Random(20251216)
    ids = sorted(topics.sendable())[:40]
    for _ in range(count):
        day = today - dt.timedelta(days=chance.randrange(9))
        yield InterestEvent(chance.choice(ids), chance.choice(list(Source)), day, chance.randint(1, 100))


async def feed(directory: Path, server: str, count: int, today: dt.date) -> None:
    settings = Settings(state_dir=directory, server=server, insecure=True, gather_seconds=0.0)
    state = State.open(settings, SystemClock())
    stop = asyncio.Event()
    syncing = asyncio.create_task(state.sync.run(stop))
    recorded = len(state.ledger.entries())
    for event in list(events(count, today))[recorded:]:
        await asyncio.to_thread(state.outbox.append, [event])
        await asyncio.sleep(0.004)  # so that kills meet every stage, appending among them
    while state.ledger.totals().unsent:
        state.sync.network_changed()
        await asyncio.sleep(0.05)
    stop.set()
    await syncing
    state.close()


if __name__ == "__main__":
    asyncio.run(feed(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), dt.date.fromisoformat(sys.argv[4])))
