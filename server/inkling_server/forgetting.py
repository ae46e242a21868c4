"""Forgetting what is past the policy's maximum age in stored profiles, also of glasses that bring nothing any more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from inkling_server.editing import edit
from inkling_server.errors import AccountErased, ProfileUnreadable
from inkling_server.profile import compact
from inkling_server.stores import ProfileStore

_REST_SECONDS = 0.01
"""Between two profiles: glasses that push meanwhile do not notice."""


async def forget_old(store: ProfileStore, accounts: Iterable[str], oldest_week: int) -> None:
    """Takes the weeks before `oldest_week` out of the profiles of these accounts.

    A profile that cannot be read is left for whoever mends it. Raises `StoreUnavailable`; then it is to be done again.
    """
    for account in accounts:
        with contextlib.suppress(AccountErased, ProfileUnreadable):
            await edit(store, account, lambda held: compact(held, oldest_week))
        await asyncio.sleep(_REST_SECONDS)
