"""Changing a stored profile for its wearer."""

from __future__ import annotations

from collections.abc import Callable

from inkling_server.errors import RevisionConflict, StoreUnavailable
from inkling_server.profile import Profile
from inkling_server.stores import ProfileStore

_ATTEMPTS = 8
"""Compare-and-sets before giving up: only the wearer's own glasses, pushing at this moment, are in the way."""


async def edit(store: ProfileStore, account: str, change: Callable[[Profile], Profile]) -> None:
    """Applies a change to the profile of an account, again where somebody saved in between.

    Raises `StoreUnavailable` where it cannot be saved, `AccountErased` where there is nothing to save it under.
    """
    for _ in range(_ATTEMPTS):
        held, revision = await store.load(account)
        changed = change(held)
        if changed == held:
            return
        try:
            await store.save(account, changed, expected=revision)
        except RevisionConflict:
            continue
        return
    raise StoreUnavailable("the profile is being changed by too many at once")
