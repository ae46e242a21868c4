"""Who is calling: from an access token to an identity."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from inkling_server.errors import PairingEnded, TokenInvalid, UnknownAccount


class Kind(enum.Enum):
    """What a credential is for."""

    DEVICE = "device"
    """Glasses: push batches and read the policy."""
    READER = "reader"
    """A ranking or ads system: read any profile."""


@dataclass(frozen=True, slots=True)
class Holder:
    """What the policy has to know of the person behind an account."""

    home_region: str
    """ISO 3166-1 alpha-2 code."""
    birth_year: int


@dataclass(frozen=True, slots=True)
class Identity:
    """The owner of a credential."""

    kind: Kind
    account: str = ""
    """The account's id; empty for readers, which have none."""
    pairing: str = ""
    """The pairing's id; empty unless `kind` is DEVICE."""
    home_region: str = ""
    """ISO 3166-1 alpha-2 code of the account's home region; empty for readers."""
    birth_year: int = 0
    """The wearer's year of birth; 0 for readers."""


class Authenticator(Protocol):
    """What the gRPC services ask of the accounts.

    `identify` and `holder` stand in hot paths: they answer from a cache where possible.

    A change (a token revoked, a pairing ended, an account erased) made by the same process holds at the next call;
    one made by another process, such as the operator's command line, within seconds.
    """

    async def identify(self, token: str) -> Identity:
        """The owner of an access token.

        Raises `TokenInvalid` for one that is unknown or expired, `PairingEnded` for one whose pairing is over.
        """
        ...

    async def holder(self, account: str) -> Holder:
        """Region and birth year of an account. Raises `UnknownAccount` where there is none of this id."""
        ...

    async def lives(self, pairing: str) -> bool:
        """Whether a pairing is there and not over, as of this call: never from a cache."""
        ...


@dataclass(slots=True)
class MemoryAuthenticator:
    """An `Authenticator` over a table, for tests and benchmarks."""

    identities: dict[str, Identity] = field(default_factory=dict, repr=False)
    """Identities by access token."""
    ended: set[str] = field(default_factory=set)
    """Ids of the pairings that are over."""

    async def identify(self, token: str) -> Identity:
        identity = self.identities.get(token)
        if identity is None:
            raise TokenInvalid
        if identity.pairing in self.ended:
            raise PairingEnded
        return identity

    async def holder(self, account: str) -> Holder:
        for identity in self.identities.values():
            if identity.account and identity.account == account:
                return Holder(identity.home_region, identity.birth_year)
        raise UnknownAccount

    async def lives(self, pairing: str) -> bool:
        known = any(identity.pairing == pairing for identity in self.identities.values())
        return known and pairing not in self.ended


def bearer_token(metadata: Mapping[str, str | bytes]) -> str:
    """The token of `authorization: Bearer ...`. Raises `TokenInvalid` where there is none."""
    value = metadata.get("authorization")
    scheme, _, token = value.partition(" ") if isinstance(value, str) else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        raise TokenInvalid
    return token
