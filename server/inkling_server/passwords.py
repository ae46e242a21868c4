"""Passwords: which are good enough, and how they are kept.

Kept as argon2id (RFC 9106) with the parameters of that document's second recommended option, for machines without
gigabytes to spare: 3 passes over 64 MiB in 4 lanes, up to a quarter of a second on a small machine.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import TypeVar

from argon2 import Parameters, PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from inkling_server.errors import Refused, SlowDown

T = TypeVar("T")

MINIMUM_LENGTH = 10
"""Characters. NIST SP 800-63B asks for 8 at least; ten keep the commonest leaked ones out."""
MAXIMUM_LENGTH = 256
"""Characters: more protects nothing, and would let a stranger keep the hash busy."""

_WORKERS = 2
"""Hashes computed at once: 128 MiB at most."""
_MAXIMUM_WAITING = 40
"""Hashes waiting or under way from which on more are refused: a few seconds of work."""


class PasswordRefused(Refused):
    """A password that is not good enough; the message tells the person how to choose another."""


@functools.cache
def _common() -> frozenset[str]:
    text = resources.files(__package__).joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def check_password(password: str, email: str) -> None:
    """Raises `PasswordRefused` for a password that is too short, too long, or among the first that anybody tries."""
    plain = _normalized(password)
    if len(plain) < MINIMUM_LENGTH:
        raise PasswordRefused(f"Choose a password of at least {MINIMUM_LENGTH} characters; a few words are good.")
    if len(plain) > MAXIMUM_LENGTH:
        raise PasswordRefused(f"Choose a password of at most {MAXIMUM_LENGTH} characters.")
    folded = plain.casefold()
    if folded in _common() or len(set(folded)) <= 2:
        raise PasswordRefused("This password is one of the first that others would try. Choose another.")
    if folded in {email.casefold(), email.casefold().partition("@")[0]}:
        raise PasswordRefused("Your e-mail address is no secret. Choose another password.")


class Passwords:
    """Computes and checks hashes in threads of its own. To be closed."""

    def __init__(
        self,
        parameters: Parameters = RFC_9106_LOW_MEMORY,
        *,
        workers: int = _WORKERS,
        maximum_waiting: int = _MAXIMUM_WAITING,
    ) -> None:
        self._hasher = PasswordHasher.from_parameters(parameters)
        self._decoy = _decoy(parameters)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="inkling-password")
        self._maximum_waiting = maximum_waiting
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The password in the form to keep, salt and parameters in it. Raises `SlowDown` under too much load."""
        return await self._run(lambda: self._hasher.hash(_normalized(password)))

    async def verify(self, password: str, kept: str | None) -> bool:
        """Whether this is the password that is kept. None, for an account that does not exist, takes as long.

        Raises `SlowDown` under too much load.
        """
        right = await self._run(lambda: self._verified(password, kept or self._decoy))
        return right and kept is not None

    def outdated(self, kept: str) -> bool:
        """Whether a password was hashed under other parameters, and should be hashed anew when it is next given."""
        return self._hasher.check_needs_rehash(kept)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verified(self, password: str, kept: str) -> bool:
        try:
            return self._hasher.verify(kept, _normalized(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._maximum_waiting:
            raise SlowDown(1.0)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _normalized(password: str) -> str:
    # As NIST SP 800-63B section 5.1.1.2 asks: two keyboards may write one character in two ways.
    return unicodedata.normalize("NFKC", password[: MAXIMUM_LENGTH + 1])


def _decoy(parameters: Parameters) -> str:
    """A hash that no password has, and that takes as long to find out as any other."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")
        for size in (parameters.salt_len, parameters.hash_len)
    )
    cost = f"m={parameters.memory_cost},t={parameters.time_cost},p={parameters.parallelism}"
    return f"$argon2id$v={parameters.version}${cost}${salt}${digest}"
