"""Where profiles are kept: the seam, and the choice of what stands behind it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import NewType, Protocol

from inkling_server.errors import StartError
from inkling_server.profile import Profile

Revision = NewType("Revision", int)
"""Number of times that a profile was saved; grows by one with each."""

UNSAVED = Revision(0)
"""The revision of a profile that was never saved."""


class ProfileStore(Protocol):
    """Keeps one profile for each account, behind a compare-and-set.

    All calls may run at the same time, for one account or many. What `save` and `delete` have returned from survives
    a loss of power (the memory store promises the same for as long as it is open).
    """

    async def load(self, account: str) -> tuple[Profile, Revision]:
        """The profile as last saved; an empty one and `UNSAVED` where there is none.

        What another process did, such as the operator's command line, may take a second to be seen.

        Raises `AccountErased` after `delete`, `StoreUnavailable` where it cannot be read.
        """
        ...

    async def save(self, account: str, profile: Profile, *, expected: Revision) -> Revision:
        """Saves a profile if the revision held is still `expected`, and gives the new one.

        Raises `RevisionConflict` where it is not, `AccountErased` after `delete`, and `StoreUnavailable` where it
        cannot be written; in each case what was held before is still held.
        """
        ...

    async def delete(self, account: str) -> None:
        """Destroys the profile of an account for good: nothing can be loaded or saved under its id again.

        Harmless where there is none. Raises `StoreUnavailable` where it cannot be written.
        """
        ...


def open_store(url: str) -> AbstractAsyncContextManager[ProfileStore]:
    """The store that a URL names, to be entered before use.

    `memory:` keeps profiles until it is closed. `sqlite:///PATH` keeps them in a file, encrypted by the master key in
    `master.key` beside it; `sqlite:///PATH?key=FILE` names another file for that.
    Raises `StartError` for any other URL; entering the store raises it where its files cannot be used.
    """
    if url == "memory:":
        from inkling_server.stores.memory import MemoryStore

        return MemoryStore()
    if url.startswith("sqlite://"):
        from inkling_server.stores.sqlite import SqliteStore, location

        return SqliteStore(*location(url.removeprefix("sqlite://")))
    raise StartError(f"{url!r} names no profile store: write memory: or sqlite:///PATH")
