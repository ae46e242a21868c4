"""Browsers that are logged in. A session is a random token in a cookie, of which the server keeps the hash."""

from __future__ import annotations

import sqlite3

from inkling_server.accounts_db import AccountsDatabase
from inkling_server.days import Clock
from inkling_server.tokens import new_token, token_hash

IDLE_SECONDS = 24 * 3600
"""A session that was not used for this long is over."""
ABSOLUTE_SECONDS = 14 * 24 * 3600
"""And every session after this long."""
_TOUCH_SECONDS = 600
"""How exactly the last use is kept; a write at every page would buy nothing."""

_START = "INSERT INTO sessions (hash, account, started, used) VALUES (?, ?, ?, ?)"
_FIND = "SELECT account, used FROM sessions WHERE hash = ? AND started > ? AND used > ?"
_TOUCH = "UPDATE sessions SET used = ? WHERE hash = ?"
_END = "DELETE FROM sessions WHERE hash = ?"
_END_OTHERS = "DELETE FROM sessions WHERE account = ? AND hash <> ?"
_PURGE = "DELETE FROM sessions WHERE started <= ? OR used <= ?"


class Sessions:
    """The sessions of all accounts."""

    def __init__(self, database: AccountsDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def start(self, account: str) -> str:
        """Logs a browser in, and gives the new token for its cookie."""
        token = new_token()
        now = self._now()

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(_PURGE, (now - ABSOLUTE_SECONDS, now - IDLE_SECONDS))
            connection.execute(_START, (token_hash(token), account, now, now))

        await self._database.write(insert)
        return token

    async def account(self, token: str) -> str | None:
        """The id of the account that a token is logged in to, if it is, and that it is in use."""
        now = self._now()
        digest = token_hash(token)
        row = self._database.one(_FIND, (digest, now - ABSOLUTE_SECONDS, now - IDLE_SECONDS))
        if row is None:
            return None
        account, used = row
        if now - used >= _TOUCH_SECONDS:
            await self._database.write(lambda connection: connection.execute(_TOUCH, (now, digest)))
        return str(account)

    async def end(self, token: str) -> None:
        """Logs a browser out."""
        await self._database.write(lambda connection: connection.execute(_END, (token_hash(token),)), erases=True)

    async def end_others(self, account: str, token: str) -> None:
        """Logs out every browser of an account but the one with this token."""
        await self._database.write(
            lambda connection: connection.execute(_END_OTHERS, (account, token_hash(token))), erases=True
        )

    def _now(self) -> int:
        return int(self._clock().timestamp())
