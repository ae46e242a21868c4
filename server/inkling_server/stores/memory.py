"""Profiles in memory: for tests, demonstrations and benchmarks."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from inkling_server.errors import AccountErased, RevisionConflict
from inkling_server.profile import Profile
from inkling_server.stores import UNSAVED, Revision


class MemoryStore:
    """A `ProfileStore` that forgets everything when it is closed."""

    def __init__(self) -> None:
        self._profiles: dict[str, tuple[Profile, Revision]] = {}
        self._erased: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._profiles.clear()

    async def load(self, account: str) -> tuple[Profile, Revision]:
        self._refuse_erased(account)
        return self._profiles.get(account, (Profile(), UNSAVED))

    async def save(self, account: str, profile: Profile, *, expected: Revision) -> Revision:
        self._refuse_erased(account)
        _, held = self._profiles.get(account, (Profile(), UNSAVED))
        if held != expected:
            raise RevisionConflict
        revision = Revision(expected + 1)
        self._profiles[account] = (profile, revision)
        return revision

    async def delete(self, account: str) -> None:
        self._profiles.pop(account, None)
        self._erased.add(account)

    def _refuse_erased(self, account: str) -> None:
        if account in self._erased:
            raise AccountErased
