"""The accounts: who they are, what they know of their wearers, and which credentials speak for them."""

from __future__ import annotations

import datetime as dt
import secrets
import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from inkling_server.accounts_db import AccountsDatabase, Row
from inkling_server.auth import Holder, Identity, Kind
from inkling_server.days import Clock, utc_now
from inkling_server.errors import PairingEnded, Refused, TokenInvalid, UnknownAccount
from inkling_server.pairings import Pairings
from inkling_server.passwords import Passwords, check_password
from inkling_server.regions import regions
from inkling_server.sessions import Sessions
from inkling_server.tokens import new_token, token_hash

OLDEST_BIRTH_YEAR = 1900
_MAXIMUM_EMAIL_LENGTH = 254
"""RFC 5321 section 4.5.3.1, less the brackets."""
_TRUSTED_SECONDS = 2
"""How long an identity is taken from memory before the database, which another process may have changed, is asked."""
_CACHED_IDENTITIES = 100_000
"""About 40 MB."""


class AccountRefused(Refused):
    """What was given for an account makes no sense; `field` names it, the message tells how to put it right."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        """`email`, `password`, `home_region` or `birth_year`."""


class ReaderRefused(Refused):
    """A reader's name that is empty, or in use."""


@dataclass(frozen=True, slots=True)
class Account:
    """One wearer's account."""

    id: str
    email: str = field(repr=False)
    home_region: str
    """ISO 3166-1 alpha-2 code."""
    birth_year: int
    created: dt.datetime


@dataclass(frozen=True, slots=True)
class Reader:
    """A ranking or ads system that may read profiles."""

    name: str
    created: dt.datetime


_ACCOUNT = "SELECT id, email, home_region, birth_year, created FROM accounts"
_ACCOUNTS = f"{_ACCOUNT} ORDER BY created, id"
_IDS = "SELECT id FROM accounts"
_BY_ID = f"{_ACCOUNT} WHERE id = ?"
_BY_EMAIL = f"{_ACCOUNT} WHERE email_key = ?"
_ADD = """
INSERT INTO accounts (id, email, email_key, password, home_region, birth_year, created) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_PASSWORD = "SELECT password FROM accounts WHERE id = ?"  # noqa: S105  (a query)
_SET_PASSWORD = "UPDATE accounts SET password = ? WHERE id = ?"  # noqa: S105
_SET_REGION = "UPDATE accounts SET home_region = ? WHERE id = ?"
_ERASE = "DELETE FROM accounts WHERE id = ?"  # sessions, grants, pairings and tokens go with it
_HOLDER = "SELECT home_region, birth_year FROM accounts WHERE id = ?"
_DEVICE = """
SELECT pairings.account, pairings.id, accounts.home_region, accounts.birth_year, access_tokens.expires, pairings.ended
FROM access_tokens
JOIN pairings ON pairings.id = access_tokens.pairing
JOIN accounts ON accounts.id = pairings.account
WHERE access_tokens.hash = ?
"""
_LIVES = "SELECT 1 FROM pairings WHERE id = ? AND ended IS NULL"
_READER = "SELECT 1 FROM readers WHERE hash = ?"
_READERS = "SELECT name, created FROM readers ORDER BY name"
_READER_NAME = "SELECT 1 FROM readers WHERE name = ?"
_ADD_READER = "INSERT INTO readers (name, hash, created) VALUES (?, ?, ?)"
_REMOVE_READER = "DELETE FROM readers WHERE name = ?"


class Accounts:
    """All accounts, in a SQLite file of their own (WAL, `synchronous=FULL`). An `Authenticator`.

    What a call changed is durable when it returns. Every call may raise `StoreUnavailable`.
    """

    def __init__(self, database: AccountsDatabase, passwords: Passwords, clock: Clock) -> None:
        self._database = database
        self._passwords = passwords
        self._clock = clock
        self._identities: OrderedDict[bytes, _Known] = OrderedDict()
        self.sessions = Sessions(database, clock)
        """Browsers that are logged in."""
        self.pairings = Pairings(database, clock, self._identities.clear)
        """Glasses that are paired, or want to be."""

    @classmethod
    async def open(cls, path: Path, *, clock: Clock = utc_now, passwords: Passwords | None = None) -> Accounts:
        """The accounts of a file, made 0600 where it is missing; to be closed, or entered as a context.

        Raises `StartError` where the file cannot be used.
        """
        return cls(AccountsDatabase.open(path), passwords or Passwords(), clock)

    async def close(self) -> None:
        """Completes what is under way, and lets go of the file."""
        await self._database.close()
        self._passwords.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def create(self, email: str, password: str, home_region: str, birth_year: int) -> Account:
        """Adds an account.

        Raises `AccountRefused` for an e-mail address that is none or in use, an unknown region or an impossible year,
        `PasswordRefused` for a weak password, and `SlowDown` where too many passwords are being hashed.
        """
        now = self._clock()
        account = Account(
            # Never given twice: a profile that was erased keeps its id for good.
            id=secrets.token_hex(10),
            email=_checked_email(email),
            home_region=_checked_region(home_region),
            birth_year=_checked_year(birth_year, now.year),
            created=now.replace(microsecond=0),
        )
        check_password(password, account.email)
        kept = await self._passwords.hash(password)
        key = _email_key(account.email)
        created = int(now.timestamp())
        row = (account.id, account.email, key, kept, account.home_region, account.birth_year, created)

        def insert(connection: sqlite3.Connection) -> None:
            if connection.execute(_BY_EMAIL, (key,)).fetchone() is not None:
                raise AccountRefused("email", "There is an account with this e-mail address already: log in instead.")
            connection.execute(_ADD, row)

        await self._database.write(insert)
        return account

    async def list(self) -> Sequence[Account]:
        """All accounts, the oldest first."""
        return [_account(row) for row in self._database.all(_ACCOUNTS)]

    async def ids(self) -> Sequence[str]:
        """The ids of all accounts, in no order."""
        return [account for (account,) in self._database.all(_IDS)]

    async def get(self, account: str) -> Account | None:
        """The account of an id, if there is one."""
        row = self._database.one(_BY_ID, (account,))
        return _account(row) if row else None

    async def find(self, email: str) -> Account | None:
        """The account of an e-mail address, whatever its case, if there is one."""
        row = self._database.one(_BY_EMAIL, (_email_key(email.strip()),))
        return _account(row) if row else None

    async def verify(self, email: str, password: str) -> Account | None:
        """The account of an e-mail address if the password is right.

        An address without an account takes as long as one with a wrong password. Raises `SlowDown` where too many
        passwords are being hashed.
        """
        account = await self.find(email)
        row = self._database.one(_PASSWORD, (account.id,)) if account else None
        kept = row[0] if row else None
        right = await self._passwords.verify(password, kept)
        if not right or account is None:
            return None
        if kept is not None and self._passwords.outdated(kept):
            await self._keep_password(account.id, password)
        return account

    async def set_password(self, account: str, password: str) -> None:
        """Gives an account another password. Raises `PasswordRefused`, `UnknownAccount` and `SlowDown`."""
        held = await self.get(account)
        if held is None:
            raise UnknownAccount
        check_password(password, held.email)
        await self._keep_password(account, password)

    async def set_home_region(self, account: str, home_region: str) -> None:
        """Moves an account's home. Raises `AccountRefused` for an unknown region."""
        row = (_checked_region(home_region), account)
        await self._database.write(lambda connection: connection.execute(_SET_REGION, row), then=self._identities.clear)

    async def erase(self, account: str) -> None:
        """Removes an account with its sessions, pairings and tokens, down to the bytes in the file.

        Harmless where there is none of this id. Its profile is the store's to delete, which comes first: an account
        without a profile can be erased again, a profile without an account never.
        """
        await self._database.write(
            lambda connection: connection.execute(_ERASE, (account,)), erases=True, then=self._identities.clear
        )

    async def identify(self, token: str) -> Identity:
        """See `Authenticator`. A change by another process holds after two seconds at most."""
        digest = token_hash(token)
        now = self._clock().timestamp()
        known = self._identities.get(digest)
        if known is None or not known.read <= now < known.read + _TRUSTED_SECONDS:
            known = self._read_identity(digest, now)
            self._remember(digest, known)
        if known.expires <= now:
            raise TokenInvalid
        return known.identity

    async def holder(self, account: str) -> Holder:
        """See `Authenticator`."""
        row = self._database.one(_HOLDER, (account,))
        if row is None:
            raise UnknownAccount
        return Holder(*row)

    async def lives(self, pairing: str) -> bool:
        """See `Authenticator`."""
        return self._database.one(_LIVES, (pairing,)) is not None

    async def add_reader(self, name: str) -> str:
        """Lets a ranking or ads system read profiles, and gives its key, which cannot be shown again.

        Raises `ReaderRefused` for a name that is empty or in use.
        """
        name = name.strip()
        if not name or not name.isprintable():
            raise ReaderRefused("a reader needs a name of printable characters")
        key = new_token()
        row = (name, token_hash(key), int(self._clock().timestamp()))

        def insert(connection: sqlite3.Connection) -> None:
            if connection.execute(_READER_NAME, (name,)).fetchone() is not None:
                raise ReaderRefused(f"there is a reader {name!r} already: remove it first, or choose another name")
            connection.execute(_ADD_READER, row)

        await self._database.write(insert)
        return key

    async def list_readers(self) -> Sequence[Reader]:
        """All readers, by name."""
        return [
            Reader(name, dt.datetime.fromtimestamp(created, dt.UTC)) for name, created in self._database.all(_READERS)
        ]

    async def remove_reader(self, name: str) -> bool:
        """Ends a reader's access; False where there is none of this name."""
        return await self._database.write(
            lambda connection: connection.execute(_REMOVE_READER, (name.strip(),)).rowcount == 1,
            erases=True,
            then=self._identities.clear,
        )

    async def _keep_password(self, account: str, password: str) -> None:
        kept = await self._passwords.hash(password)
        await self._database.write(lambda connection: connection.execute(_SET_PASSWORD, (kept, account)), erases=True)

    def _read_identity(self, digest: bytes, now: float) -> _Known:
        row = self._database.one(_DEVICE, (digest,))
        if row is not None:
            account, pairing, home_region, birth_year, expires, ended = row
            if ended is not None:
                raise PairingEnded
            return _Known(Identity(Kind.DEVICE, account, pairing, home_region, birth_year), expires, now)
        if self._database.one(_READER, (digest,)) is None:
            raise TokenInvalid
        return _Known(Identity(Kind.READER), float("inf"), now)

    def _remember(self, digest: bytes, known: _Known) -> None:
        self._identities[digest] = known
        self._identities.move_to_end(digest)
        if len(self._identities) > _CACHED_IDENTITIES:
            self._identities.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _Known:
    """An identity in memory."""

    identity: Identity
    expires: float
    """When the token stops being good, in seconds since 1970."""
    read: float
    """When the database was asked."""


def _account(row: Row) -> Account:
    account, email, home_region, birth_year, created = row
    return Account(account, email, home_region, birth_year, dt.datetime.fromtimestamp(created, dt.UTC))


def _email_key(email: str) -> str:
    return email.casefold()


def _checked_email(email: str) -> str:
    """The address, if it may be one; whether mail arrives there only sending some would tell."""
    email = email.strip()
    local, at, domain = email.rpartition("@")
    plausible = local and at and domain and email.isprintable() and not any(map(str.isspace, email))
    if not plausible or len(email) > _MAXIMUM_EMAIL_LENGTH or "@" in local:
        raise AccountRefused("email", "Write an e-mail address, such as name@example.org.")
    return email


def _checked_region(home_region: str) -> str:
    code = home_region.strip().upper()
    if code not in regions():
        raise AccountRefused("home_region", "Choose the country or territory that you live in.")
    return code


def _checked_year(birth_year: int, this_year: int) -> int:
    if not OLDEST_BIRTH_YEAR <= birth_year <= this_year:
        raise AccountRefused("birth_year", f"Write your year of birth, {OLDEST_BIRTH_YEAR} to {this_year}.")
    return birth_year
