"""An access token that is good now: refreshed ahead of its end, and on disk before it is used."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt

from inkling_device.clock import Clock
from inkling_device.credentials import Credentials, CredentialStore
from inkling_device.errors import NotPaired, OAuthRefused, PairingEnded, TryAgain
from inkling_device.oauth import OAuthClient

AHEAD = dt.timedelta(minutes=5)
"""How long before its end an access token is replaced."""

_ENDED = frozenset({"invalid_grant", "invalid_client", "unauthorized_client"})
"""Errors of RFC 6749 section 5.2 that say that the refresh token will never be taken again."""


class Tokens:
    """Hands out access tokens of the pairing and rotates its refresh token."""

    def __init__(self, store: CredentialStore, oauth: OAuthClient, clock: Clock) -> None:
        self._store = store
        self.oauth = oauth
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def access_token(self) -> str:
        """A token that has not ended by the clock. Raises as `refresh` does."""
        held = self._held()
        if held.expires - self._clock.now() > AHEAD:
            return held.access_token
        return await self.refresh(held.access_token)

    async def refresh(self, refused: str) -> str:
        """A token in place of `refused`; none is fetched where another task has done so meanwhile.

        Raises `NotPaired`, `PairingEnded`, `TryAgain`, `SlowDown`, `OAuthRefused`, `CallRefused`, and `StateError`
        where the new token cannot be stored: it is not used then, so that the server still takes the old one.
        """
        async with self._one_at_a_time:
            held = self._held()
            if held.access_token != refused:
                return held.access_token
            renewed = await self._renewed(held)
            self._store.save(renewed)
            return renewed.access_token

    def _held(self) -> Credentials:
        held = self._store.current
        if held is None:
            raise NotPaired
        return held

    async def _renewed(self, held: Credentials) -> Credentials:
        try:
            try:
                answer = await self.oauth.refresh(held.refresh_token)
            except TryAgain:
                # The answer may be what was lost. For a minute the server takes the same refresh token once more.
                answer = await self.oauth.refresh(held.refresh_token)
        except OAuthRefused as error:
            if error.code in _ENDED:
                raise PairingEnded from error
            raise
        # The key that verifies the policy was pinned when the wearer was there, and nothing later replaces it.
        return dataclasses.replace(answer, policy_key=held.policy_key, pairing=held.pairing)
