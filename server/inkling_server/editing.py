"""Changing a stored profile otherwise than by a batch: for its wearer, and when weeks pass their age."""

from __future__ import annotations

from collections.abc import Callable

from inkling_server.errors import RevisionConflict, StoreUnavailable
from inkling_server.profile import Profile
from inkling_server.stores import ProfileStore

_ATTEMPTS = 8
"""Compare-and-sets before giving up: only the wearer's own glasses, pushing at this moment, are in the way."""


async def edit(
    store: ProfileStore, account: str, change: Callable[[Profile], Profile], *, always: bool = False
) -> None:
    """Applies a change to the profile of an account, again where somebody saved in between.

    What the change leaves as it was is not saved, unless `always`, which makes every save under way conflict.
    Raises `StoreUnavailable` where it cannot be saved, `AccountErased` where there is nothing to save it under.
    """
    for _ in range(_ATTEMPTS):
        held, revision = await store.load(account)
        changed = change(held)
        if changed == held and not always:
            return
        try:
            await store.save(account, changed, expected=revision)
        except RevisionConflict:
            continue
        return
    raise StoreUnavailable("the profile is being changed by too many at once")
