"""Pairing glasses with an account: OAuth 2.0 Device Authorization Grant (RFC 8628), refresh with rotation, ending.

A grant goes from pending to approved or denied (by the wearer, on the web page), and from approved to used (by the
glasses, once). A pairing lives from then on until it is ended: by the wearer, by the glasses, or because one of its
refresh tokens was used twice, which means that somebody has a copy.

A refresh token has two parts, `FAMILY.SECRET`. The family stays for the life of the pairing, the secret changes at
every refresh. Whoever shows the family with a secret that is no longer good holds, or has stolen, a token that was
used before: no list of used tokens is needed. One exception, for an answer that got lost on its way: the immediately
previous token may be used once more within `REPEAT_SECONDS`, as long as its successor was not used.
"""

from __future__ import annotations

import datetime as dt
import enum
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from inkling_server.accounts_db import AccountsDatabase, Row
from inkling_server.days import Clock
from inkling_server.errors import Refused
from inkling_server.tokens import new_token, new_user_code, token_hash

GRANT_SECONDS = 15 * 60
"""How long a user code can be approved and its tokens fetched."""
POLL_SECONDS = 5
"""How long glasses wait between two questions: RFC 8628's default, and what `slow_down` adds."""
ACCESS_SECONDS = 3600
"""How long an access token is good."""
REPEAT_SECONDS = 60
"""How long the previous refresh token is good once more where the answer got lost."""
REFRESH_IDLE_SECONDS = 400 * 24 * 3600
"""Glasses that were not heard of for this long have to be paired anew."""
MAXIMUM_GRANTS = 10_000
"""Grants held from which on new ones are refused: strangers can make them."""
MAXIMUM_NAME_LENGTH = 40
"""Characters of the name that a wearer gives to glasses."""


class Ending(enum.StrEnum):
    """Why a pairing is over."""

    WEARER = "wearer"
    """The wearer ended it on the page."""
    DEVICE = "device"
    """It was ended on the glasses."""
    REUSE = "reuse"
    """A refresh token was used twice: somebody may have a copy of it."""


class GrantError(Refused):
    """A token request that is refused, by the error code of RFC 6749 section 5.2 or RFC 8628 section 3.5."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


@dataclass(frozen=True, slots=True)
class DeviceGrant:
    """What glasses get when they ask to be paired."""

    device_code: str = field(repr=False)
    user_code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What glasses get when they are paired, and at every refresh."""

    pairing: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pairing:
    """Glasses that are or were paired."""

    id: str
    name: str
    """As the wearer called them."""
    started: dt.datetime
    refreshed: dt.datetime
    """When they last renewed their token, which is hourly while they are in use."""
    ended: dt.datetime | None
    ending: Ending | None


_PURGE_GRANTS = "DELETE FROM grants WHERE expires <= ?"
_COUNT_GRANTS = "SELECT count(*) FROM grants"
_ADD_GRANT = "INSERT INTO grants (device_hash, user_code, expires, state) VALUES (?, ?, ?, 'pending')"
_PENDING = "SELECT 1 FROM grants WHERE user_code = ? AND expires > ? AND state = 'pending'"
_DECIDE = """
UPDATE grants SET state = ?, account = ?, name = ? WHERE user_code = ? AND expires > ? AND state = 'pending'
"""
_GRANT = "SELECT state, expires, account, name FROM grants WHERE device_hash = ?"
_USE_GRANT = "UPDATE grants SET state = 'used' WHERE device_hash = ?"
_ADD_PAIRING = """
INSERT INTO pairings (id, account, name, started, refreshed, family, refresh) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_BY_FAMILY = "SELECT id, refreshed, ended, refresh, previous, repeated FROM pairings WHERE family = ?"
_ROTATE = "UPDATE pairings SET refresh = ?, previous = refresh, refreshed = ?, repeated = 0 WHERE id = ?"
_REPEAT = "UPDATE pairings SET refresh = ?, repeated = 1 WHERE id = ?"
_ADD_ACCESS = "INSERT INTO access_tokens (hash, pairing, expires) VALUES (?, ?, ?)"
_PURGE_ACCESS = "DELETE FROM access_tokens WHERE pairing = ? AND expires <= ?"
_END = "UPDATE pairings SET ended = ?, ending = ? WHERE id = ? AND ended IS NULL"
_OF_ACCOUNT = """
SELECT id, name, started, refreshed, ended, ending FROM pairings WHERE account = ? ORDER BY started DESC, id
"""
_OWNED = "SELECT 1 FROM pairings WHERE id = ? AND account = ?"
_REMOVE = "DELETE FROM pairings WHERE id = ? AND account = ?"
_BY_ACCESS = "SELECT pairing FROM access_tokens WHERE hash = ?"


class Pairings:
    """The grants and pairings of all accounts. Every change holds in this process from when its call returns."""

    def __init__(self, database: AccountsDatabase, clock: Clock, forget_identities: Callable[[], None]) -> None:
        """`forget_identities` is called after every change by which an access token stops being good."""
        self._database = database
        self._clock = clock
        self._forget_identities = forget_identities
        self._pace = _Pace()

    async def begin(self) -> DeviceGrant:
        """Opens a grant. Raises `GrantError` where there are too many open ones."""
        grant = DeviceGrant(new_token(), new_user_code())
        now = self._now()

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(_PURGE_GRANTS, (now - GRANT_SECONDS,))  # until then glasses hear that it expired
            (count,) = connection.execute(_COUNT_GRANTS).fetchone()
            if count >= MAXIMUM_GRANTS:
                raise GrantError("temporarily_unavailable", "too many glasses are waiting to be paired: try again")
            row = (token_hash(grant.device_code), grant.user_code, now + GRANT_SECONDS)
            try:
                connection.execute(_ADD_GRANT, row)
            except sqlite3.IntegrityError:  # the code is in use: one in two million, with as many grants as can be
                raise GrantError("temporarily_unavailable", "no code could be made: try again") from None

        await self._database.write(insert)
        return grant

    def is_pending(self, user_code: str) -> bool:
        """Whether glasses show this code and wait for an answer."""
        return self._database.one(_PENDING, (user_code, self._now())) is not None

    async def approve(self, user_code: str, account: str, name: str) -> bool:
        """Lets the glasses that show the code into the account; False where there are none that wait."""
        return await self._decide(user_code, "approved", account, name[:MAXIMUM_NAME_LENGTH])

    async def deny(self, user_code: str, account: str) -> bool:
        """Turns the glasses that show the code away; False where there are none that wait."""
        return await self._decide(user_code, "denied", account, "")

    async def redeem(self, device_code: str) -> Tokens:
        """The tokens of an approved grant, once.

        Raises `GrantError`: authorization_pending, slow_down, access_denied, expired_token, and invalid_grant for a
        code that is unknown or was used.
        """
        digest = token_hash(device_code)
        now = self._now()
        row = self._database.one(_GRANT, (digest,))
        if row is not None and row[0] == "pending" and row[1] > now:
            self._pace.check(digest, now)
        tokens, parts = _new_tokens(secrets.token_hex(8))

        def use(connection: sqlite3.Connection) -> None:
            grant = connection.execute(_GRANT, (digest,)).fetchone()
            account, name = _approved(grant, now)
            connection.execute(_USE_GRANT, (digest,))
            connection.execute(_ADD_PAIRING, (tokens.pairing, account, name, now, now, *parts))
            connection.execute(_ADD_ACCESS, (token_hash(tokens.access_token), tokens.pairing, now + ACCESS_SECONDS))

        _approved(row, now)
        await self._database.write(use)
        self._pace.forget(digest)
        return tokens

    async def refresh(self, refresh_token: str) -> Tokens:
        """New tokens for old.

        Raises `GrantError` with invalid_grant for a token that is unknown, whose pairing is over, or that was used
        before, which ends its pairing.
        """
        family, secret = _parts(refresh_token)
        now = self._now()

        def rotate(connection: sqlite3.Connection) -> Tokens | None:
            pairing = _live(connection.execute(_BY_FAMILY, (token_hash(family),)).fetchone(), now)
            step = pairing.step(token_hash(secret), now)
            if step is None:
                connection.execute(_END, (now, Ending.REUSE, pairing.id))
                return None
            tokens, (_, digest) = _new_tokens(pairing.id, family)
            parameters = (digest, now, pairing.id) if step is _ROTATE else (digest, pairing.id)
            connection.execute(step, parameters)
            connection.execute(_PURGE_ACCESS, (pairing.id, now))
            connection.execute(_ADD_ACCESS, (token_hash(tokens.access_token), pairing.id, now + ACCESS_SECONDS))
            return tokens

        tokens = await self._database.write(rotate, then=self._forget_identities)
        if tokens is None:
            raise GrantError("invalid_grant", "this refresh token was used before, so the pairing has been ended")
        return tokens

    async def revoke(self, token: str) -> None:
        """Ends the pairing that a refresh or access token belongs to (RFC 7009); harmless for any other token."""
        family, _, _ = token.partition(".")
        now = self._now()

        def end(connection: sqlite3.Connection) -> None:
            row = (
                connection.execute(_BY_FAMILY, (token_hash(family),)).fetchone()
                or connection.execute(_BY_ACCESS, (token_hash(token),)).fetchone()
            )
            if row is not None:
                connection.execute(_END, (now, Ending.DEVICE, row[0]))

        await self._database.write(end, then=self._forget_identities)

    def list(self, account: str) -> list[Pairing]:
        """The pairings of an account, ended ones among them until they are removed; the latest first."""
        return [_pairing(row) for row in self._database.all(_OF_ACCOUNT, (account,))]

    async def end(self, account: str, pairing: str) -> bool:
        """Ends a pairing for its wearer; False where the account has none of this id."""
        now = self._now()

        def end(connection: sqlite3.Connection) -> bool:
            if connection.execute(_OWNED, (pairing, account)).fetchone() is None:
                return False
            connection.execute(_END, (now, Ending.WEARER, pairing))
            return True

        return await self._database.write(end, then=self._forget_identities)

    async def remove(self, account: str, pairing: str) -> None:
        """Removes all trace of a pairing; harmless where the account has none of this id."""
        await self._database.write(
            lambda connection: connection.execute(_REMOVE, (pairing, account)),
            erases=True,
            then=self._forget_identities,
        )

    async def _decide(self, user_code: str, state: str, account: str, name: str) -> bool:
        now = self._now()
        return await self._database.write(
            lambda connection: connection.execute(_DECIDE, (state, account, name, user_code, now)).rowcount == 1
        )

    def _now(self) -> int:
        return int(self._clock().timestamp())


class _Pace:
    """How often the glasses of each open grant ask. In memory: a restart forgives."""

    def __init__(self) -> None:
        self._asked: dict[bytes, tuple[int, int]] = {}

    def check(self, grant: bytes, now: int) -> None:
        """Counts a question. Raises `GrantError` with slow_down where it comes before the interval is over."""
        if len(self._asked) > MAXIMUM_GRANTS:
            self._asked = {key: value for key, value in self._asked.items() if value[0] > now - GRANT_SECONDS}
        asked, interval = self._asked.get(grant, (now - POLL_SECONDS, POLL_SECONDS))
        if 0 <= now - asked < interval:
            interval += POLL_SECONDS
            self._asked[grant] = (now, interval)
            raise GrantError("slow_down", f"ask every {interval} seconds")
        self._asked[grant] = (now, interval)

    def forget(self, grant: bytes) -> None:
        """A grant that is settled."""
        self._asked.pop(grant, None)


@dataclass(frozen=True, slots=True)
class _Live:
    """A pairing that is not over, as a refresh finds it."""

    id: str
    refreshed: int
    refresh: bytes
    previous: bytes | None
    repeated: bool

    def step(self, digest: bytes, now: int) -> str | None:
        """The update that a secret allows; None for one that was used before."""
        if secrets.compare_digest(digest, self.refresh):
            return _ROTATE
        lately = 0 <= now - self.refreshed < REPEAT_SECONDS
        if self.previous and secrets.compare_digest(digest, self.previous) and lately and not self.repeated:
            return _REPEAT
        return None


def _live(row: Row | None, now: int) -> _Live:
    if row is None:
        raise GrantError("invalid_grant", "the refresh token is not known: pair again")
    pairing, refreshed, ended, refresh, previous, repeated = row
    if ended is not None:
        raise GrantError("invalid_grant", "the pairing has been ended: pair again")
    if now - refreshed > REFRESH_IDLE_SECONDS:
        raise GrantError("invalid_grant", "the glasses were not heard of for too long: pair again")
    return _Live(pairing, refreshed, refresh, previous, bool(repeated))


def _approved(grant: Row | None, now: int) -> tuple[str, str]:
    """Account and name of an approved grant. Raises `GrantError` for any other."""
    if grant is None:
        raise GrantError("invalid_grant", "the device code is not known: ask for a new one")
    state, expires, account, name = grant
    if state == "used":
        raise GrantError("invalid_grant", "the device code was used: ask for a new one")
    if expires <= now:
        raise GrantError("expired_token", "the device code has expired: ask for a new one")
    if state == "denied":
        raise GrantError("access_denied", "the wearer has turned the glasses away")
    if state == "pending":
        raise GrantError("authorization_pending", "the wearer has not answered yet")
    return account, name


def _new_tokens(pairing: str, family: str = "") -> tuple[Tokens, tuple[bytes, bytes]]:
    """New tokens, and the hashes of the refresh token's two parts."""
    family = family or new_token()
    secret = new_token()
    return Tokens(pairing, new_token(), f"{family}.{secret}"), (token_hash(family), token_hash(secret))


def _parts(refresh_token: str) -> tuple[str, str]:
    family, _, secret = refresh_token.partition(".")
    return family, secret


def _pairing(row: Row) -> Pairing:
    pairing, name, started, refreshed, ended, ending = row
    return Pairing(
        id=pairing,
        name=name,
        started=_time(started),
        refreshed=_time(refreshed),
        ended=None if ended is None else _time(ended),
        ending=None if ending is None else Ending(ending),
    )


def _time(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
