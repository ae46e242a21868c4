"""The profiles in use, decrypted and decoded, within a bound."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from inkling_server.profile import Profile
from inkling_server.sealing import AccountKey
from inkling_server.stores import Revision


@dataclass(frozen=True, slots=True)
class Entry:
    """A profile as last saved, with the key it is sealed by."""

    profile: Profile
    revision: Revision
    key: AccountKey
    size: int
    """Bytes of its stored form; in memory it takes about 25 times as much."""


class ProfileCache:
    """Keeps the profiles used last, as many as fit into `maximum_size` bytes of stored form."""

    def __init__(self, maximum_size: int) -> None:
        self._maximum = maximum_size
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._size = 0

    def get(self, account: str) -> Entry | None:
        """The entry of an account, which is now the one used last."""
        entry = self._entries.get(account)
        if entry is not None:
            self._entries.move_to_end(account)
        return entry

    def put(self, account: str, entry: Entry) -> None:
        """Keeps an entry, and lets go of those not used for longest."""
        self.drop(account)
        self._entries[account] = entry
        self._size += entry.size
        while self._size > self._maximum and len(self._entries) > 1:
            _, oldest = self._entries.popitem(last=False)
            self._size -= oldest.size

    def clear(self) -> None:
        """Forgets all entries."""
        self._entries.clear()
        self._size = 0

    def drop(self, account: str) -> None:
        """Forgets an account's entry, if there is one."""
        entry = self._entries.pop(account, None)
        if entry is not None:
            self._size -= entry.size
