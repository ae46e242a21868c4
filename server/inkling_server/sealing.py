"""Encryption at rest: every account's profile under a key of its own, every such key under the master key.

AES-256-GCM with random 96-bit nonces (NIST SP 800-38D) throughout. Destroying an account's wrapped key makes every
copy of its profile that is sealed by it unreadable, such as those in the database's free pages. A backup from before
holds the wrapped key as well: with the master key it can be read until it is deleted.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from inkling_server.errors import ProfileUnreadable
from inkling_server.files import read_secret, write_secret

KEY_BYTES = 32
_NONCE_BYTES = 12
_NONCES_DRAWN = 256


class _Nonces:
    """Random nonces, each given once, drawn many at a time: a system call for each would cost more than sealing."""

    __slots__ = ("_drawn", "_lock")

    def __init__(self) -> None:
        self._drawn: list[bytes] = []
        self._lock = threading.Lock()

    def next(self) -> bytes:
        with self._lock:
            if not self._drawn:
                pool = os.urandom(_NONCE_BYTES * _NONCES_DRAWN)
                self._drawn = [pool[at : at + _NONCE_BYTES] for at in range(0, len(pool), _NONCE_BYTES)]
            return self._drawn.pop()


_nonces = _Nonces()


class Sealer:
    """Seals and opens with one key. What is sealed is bound to a context: it opens under no other."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, content: bytes, context: bytes) -> bytes:
        """Nonce, ciphertext and tag in one."""
        nonce = _nonces.next()
        return nonce + self._cipher.encrypt(nonce, content, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The content. Raises `ProfileUnreadable` where it was changed or sealed otherwise."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise ProfileUnreadable("sealed bytes do not open: they were changed, or sealed by another key") from None


@dataclass(frozen=True, slots=True)
class AccountKey:
    """The key of one account: ready to use, and as the store keeps it."""

    sealer: Sealer = field(repr=False)
    wrapped: bytes = field(repr=False)


class MasterKey:
    """Wraps the keys of accounts."""

    __slots__ = ("_sealer",)

    def __init__(self, key: bytes) -> None:
        self._sealer = Sealer(key)

    @classmethod
    def create(cls, path: Path) -> MasterKey:
        """A new key in a new file that only its owner can read. Raises `FileExistsError`."""
        write_secret(path, AESGCM.generate_key(KEY_BYTES * 8))
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> MasterKey:
        """The key of a file. Raises `StartError` where others may read the file, or it is no key."""
        return cls(read_secret(path, KEY_BYTES))

    def new_account_key(self, account: str) -> AccountKey:
        """A new key for an account."""
        key = AESGCM.generate_key(KEY_BYTES * 8)
        return AccountKey(Sealer(key), self._sealer.seal(key, _key_context(account)))

    def account_key(self, account: str, wrapped: bytes) -> AccountKey:
        """The key of an account from its stored form. Raises `ProfileUnreadable`."""
        return AccountKey(Sealer(self._sealer.open(wrapped, _key_context(account))), wrapped)

    def proof(self) -> bytes:
        """Bytes by which `proves` tells this master key from every other."""
        return self._sealer.seal(b"", b"inkling master key")

    def proves(self, proof: bytes) -> bool:
        """Whether `proof` was made by this very master key."""
        try:
            self._sealer.open(proof, b"inkling master key")
        except ProfileUnreadable:
            return False
        return True


def _key_context(account: str) -> bytes:
    return b"inkling account key " + account.encode()


def profile_context(account: str, revision: int) -> bytes:
    """Binds a sealed profile to its account and revision, so that rows cannot be exchanged or set back unnoticed."""
    return b"inkling profile %d " % revision + account.encode()
