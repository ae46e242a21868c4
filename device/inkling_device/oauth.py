"""The pairing endpoints over HTTP: device authorization (RFC 8628), refresh (RFC 6749) and revocation (RFC 7009)."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from inkling_device.clock import Clock
from inkling_device.credentials import POLICY_KEY_BYTES, Credentials
from inkling_device.errors import CallRefused, NeverAgain, OAuthRefused, SlowDown, TryAgain
from inkling_device.transport import Transport

CLIENT_ID = "inkling-device"
DEVICE_CODE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
DEFAULT_INTERVAL = 5.0
"""Seconds between two polls where the server names none (RFC 8628 section 3.2)."""

_TIMEOUT = aiohttp.ClientTimeout(total=20)
_LARGEST_ANSWER = 64 * 1024
"""Bytes; token answers take under one kilobyte."""


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What the server gives for showing to the wearer, and for asking again."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str | None
    expires_in: float
    """Seconds in which the wearer has to enter the code."""
    interval: float
    """Seconds between two polls."""


class OAuthClient:
    """Three calls, each of which raises `TryAgain`, `SlowDown`, `OAuthRefused` or `CallRefused`."""

    def __init__(self, server: str, transport: Transport, clock: Clock) -> None:
        self._server = server.rstrip("/")
        self._transport = transport
        self._clock = clock

    async def device_authorization(self) -> DeviceCode:
        """Asks for a code that the wearer can enter."""
        answer = await self._post("/oauth/device_authorization", {"client_id": CLIENT_ID})
        return DeviceCode(
            device_code=_text(answer, "device_code"),
            user_code=_text(answer, "user_code"),
            verification_uri=_text(answer, "verification_uri"),
            verification_uri_complete=_optional_text(answer, "verification_uri_complete"),
            expires_in=_number(answer, "expires_in"),
            interval=_number(answer, "interval") if "interval" in answer else DEFAULT_INTERVAL,
        )

    async def exchange(self, device_code: str) -> Credentials:
        """The credentials of a code that the wearer has entered; until then raises `OAuthRefused`."""
        return await self._token({"grant_type": DEVICE_CODE_GRANT, "device_code": device_code})

    async def refresh(self, refresh_token: str) -> Credentials:
        """New credentials for a refresh token, which is used up by that."""
        return await self._token({"grant_type": "refresh_token", "refresh_token": refresh_token})

    async def revoke(self, refresh_token: str) -> None:
        """Ends the pairing of a refresh token."""
        fields = {"client_id": CLIENT_ID, "token": refresh_token, "token_type_hint": "refresh_token"}
        await self._post("/oauth/revoke", fields)

    async def _token(self, fields: dict[str, str]) -> Credentials:
        answer = await self._post("/oauth/token", {"client_id": CLIENT_ID, **fields})
        if _text(answer, "token_type").lower() != "bearer":
            raise _unusable("token_type")
        return Credentials(
            server=self._server,
            pairing=_text(answer, "pairing"),
            grpc_target=_text(answer, "grpc_target"),
            policy_key=_policy_key(answer),
            access_token=_text(answer, "access_token"),
            refresh_token=_text(answer, "refresh_token"),
            expires=self._clock.now() + dt.timedelta(seconds=_number(answer, "expires_in")),
        )

    async def _post(self, path: str, fields: dict[str, str]) -> Mapping[str, Any]:
        """The JSON object of an answer; empty where there is none."""
        encrypted = urlsplit(self._server).scheme == "https"
        if not encrypted and not self._transport.insecure:
            raise CallRefused(f"{self._server} is not https://: tokens travel in the open only with `insecure`")
        # `insecure` allows plaintext, never a certificate that nobody has checked.
        context = self._transport.ssl_context() if encrypted else False
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                # A redirect would carry the token to an address that nobody has named.
                session.post(self._server + path, data=fields, ssl=context, allow_redirects=False) as response,
            ):
                content = await response.content.read(_LARGEST_ANSWER)
                return _judged(response.status, response.headers.get("Retry-After"), content)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise TryAgain(f"{self._server} cannot be reached: {type(error).__name__}") from None


def _judged(status: int, retry_after: str | None, content: bytes) -> Mapping[str, Any]:
    """The answer's JSON object, or the failure that it stands for."""
    if status in (429, 503) and retry_after is not None and retry_after.isdecimal():
        raise SlowDown(float(retry_after))
    if status >= 500 or status == 429:
        raise TryAgain(f"the server fails at present: HTTP {status}")
    answer = _json_object(content)
    code = answer.get("error")
    if isinstance(code, str) and code.isidentifier():
        raise OAuthRefused(code)
    if status != 200:
        raise CallRefused(f"the server does not offer pairing under this address: HTTP {status}; check `server`")
    return answer


def _json_object(content: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(content) if content.strip() else {}
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise _unusable(name)
    return value


def _optional_text(answer: Mapping[str, Any], name: str) -> str | None:
    return _text(answer, name) if name in answer else None


def _number(answer: Mapping[str, Any], name: str) -> float:
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise _unusable(name)
    return float(value)


def _policy_key(answer: Mapping[str, Any]) -> bytes:
    try:
        key = base64.b64decode(_text(answer, "policy_key"), validate=True)
    except binascii.Error:
        raise _unusable("policy_key") from None
    if len(key) != POLICY_KEY_BYTES:
        raise _unusable("policy_key")
    return key


def _unusable(name: str) -> NeverAgain:
    return CallRefused(f"the server's answer has no usable {name}: is `server` the address of an Inkling server?")
