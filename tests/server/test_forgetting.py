"""What is past the maximum age goes, also where nothing comes in any more."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

from inkling_server.accounts import Accounts
from inkling_server.app import running
from inkling_server.errors import ProfileUnreadable
from inkling_server.forgetting import forget_old
from inkling_server.policy import Policy
from inkling_server.profile import Contribution, Profile, Week
from inkling_server.settings import Settings
from inkling_server.stores import UNSAVED, ProfileStore, Revision, open_store
from inkling_server.stores.memory import MemoryStore

NOW = dt.datetime(2026, 5, 9, 12, tzinfo=dt.UTC)
OLDEST = Policy().oldest_week(NOW)


def profile(*weeks: int) -> Profile:
    """A profile of silent glasses that once brought something in these weeks."""
    held = {week: Week(week, {(672, 1): (1, 90, 0, 6)}) for week in weeks}
    return Profile({"silent": Contribution(7, held)}, blocked_topics=frozenset({371}))


async def weeks(store: ProfileStore, account: str) -> set[int]:
    held, _ = await store.load(account)
    return {sighting.week for sighting in held.sightings()}


class DamagedStore(MemoryStore):
    """A memory store in which one profile is damaged."""

    async def load(self, account: str) -> tuple[Profile, Revision]:
        if account == "damaged":
            raise ProfileUnreadable
        return await super().load(account)


async def test_old_weeks_are_taken_out_and_nothing_else() -> None:
    """Sequences and switches stay, what is young enough is not saved anew, an account without a profile gets none."""
    store = DamagedStore()
    await store.save("ada", profile(OLDEST - 1, OLDEST), expected=UNSAVED)
    await store.save("ben", profile(OLDEST), expected=UNSAVED)
    await store.delete("erased")
    await forget_old(store, ["damaged", "erased", "new", "ada", "ben"], OLDEST)
    assert await store.load("ada") == (profile(OLDEST), 2)
    assert await store.load("ben") == (profile(OLDEST), 1)
    assert await store.load("new") == (Profile(), UNSAVED)


async def test_a_running_server_forgets_of_glasses_that_went_silent(tmp_path: Path) -> None:
    """Soon after its start, what had passed the maximum age is no longer in the store."""
    settings = Settings(data_dir=tmp_path, grpc_address="127.0.0.1:0", web_address="127.0.0.1:0")
    async with await Accounts.open(settings.accounts_path) as accounts:
        ada = await accounts.create("ada@example.org", "seven quiet herons", "US", 1990)
    async with open_store(settings.store_url) as store:
        await store.save(ada.id, profile(OLDEST - 1, OLDEST), expected=UNSAVED)
    async with running(settings, clock=lambda: NOW), open_store(settings.store_url) as store, asyncio.timeout(30):
        while await weeks(store, ada.id) != {OLDEST}:  # noqa: ASYNC110  (nobody tells of another store's save)
            await asyncio.sleep(0.05)
