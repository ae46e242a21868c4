"""What glasses call to be paired: RFC 8628 (device grant), RFC 6749 section 6 (refresh), RFC 7009 (revocation)."""

from __future__ import annotations

import base64
import math
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from inkling_server.errors import SlowDown
from inkling_server.pairings import ACCESS_SECONDS, GRANT_SECONDS, POLL_SECONDS, GrantError, Tokens
from inkling_server.tokens import shown_user_code
from inkling_server.web.site import SITE, Site
from inkling_server.web.visit import Handler

CLIENT_ID = "inkling-device"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
REFRESH_GRANT = "refresh_token"

_STATUSES = {"invalid_client": 401, "temporarily_unavailable": 503}
"""Status by error code, where it is not 400."""

_FAILURES = {
    "404": "there is no such endpoint",
    "405": "post a form",
    "413": "the form is too large",
    "plain": "tokens cross a network over https only",
    "unavailable": "the accounts cannot be reached: try again",
}


def add_routes(app: web.Application) -> None:
    """Puts the endpoints in place."""
    app.router.add_post("/oauth/device_authorization", _endpoint(device_authorization))
    app.router.add_post("/oauth/token", _endpoint(token))
    app.router.add_post("/oauth/revoke", _endpoint(revoke))


async def device_authorization(site: Site, parameters: Mapping[str, str], client: str) -> Mapping[str, object]:
    """RFC 8628 section 3.1: a code for the glasses, and one for their wearer."""
    site.limits.grant_address.take(client)
    grant = await site.accounts.pairings.begin()
    user_code = shown_user_code(grant.user_code)
    return {
        "device_code": grant.device_code,
        "user_code": user_code,
        "verification_uri": f"{site.address}/pair",
        "verification_uri_complete": f"{site.address}/pair?code={user_code}",
        "expires_in": GRANT_SECONDS,
        "interval": POLL_SECONDS,
    }


async def token(site: Site, parameters: Mapping[str, str], client: str) -> Mapping[str, object]:
    """RFC 8628 section 3.4 and RFC 6749 section 6: tokens for a device code, or for a refresh token."""
    site.limits.token_address.take(client)
    tokens = await _tokens(site, parameters)
    return {
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": ACCESS_SECONDS,
        "refresh_token": tokens.refresh_token,
        "pairing": tokens.pairing,
        "policy_key": base64.b64encode(site.policy.public_key).decode(),
        "grpc_target": site.grpc_target,
    }


async def revoke(site: Site, parameters: Mapping[str, str], client: str) -> Mapping[str, object]:
    """RFC 7009: ends the pairing of a token. For one that is not known there is nothing to do, which is no error."""
    site.limits.token_address.take(client)
    await site.accounts.pairings.revoke(_required(parameters, "token"))
    return {}


def failure(status: int, kind: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """What glasses get where a call went wrong before or beside the protocol; `kind` is that of the error page."""
    code = "temporarily_unavailable" if status in {429, 503} else "server_error" if status >= 500 else "invalid_request"
    description = _FAILURES.get(kind, "this call is not possible")
    return web.json_response({"error": code, "error_description": description}, status=status, headers=headers)


_Endpoint = Callable[[Site, Mapping[str, str], str], Awaitable[Mapping[str, object]]]


def _endpoint(answer: _Endpoint) -> Handler:
    """Reads the form, checks the client, and puts answer or refusal into JSON."""

    async def handle(request: web.Request) -> web.Response:
        site = request.app[SITE]
        try:
            parameters = await _parameters(request)
            return web.json_response(await answer(site, parameters, site.network.client(request)))
        except SlowDown as error:
            return _too_many(error)
        except GrantError as error:
            return _refused(error)

    return handle


async def _tokens(site: Site, parameters: Mapping[str, str]) -> Tokens:
    grant_type = _required(parameters, "grant_type")
    if grant_type == DEVICE_GRANT:
        return await site.accounts.pairings.redeem(_required(parameters, "device_code"))
    if grant_type == REFRESH_GRANT:
        return await site.accounts.pairings.refresh(_required(parameters, "refresh_token"))
    raise GrantError("unsupported_grant_type", f"grant_type is {DEVICE_GRANT} or {REFRESH_GRANT}")


async def _parameters(request: web.Request) -> Mapping[str, str]:
    """The form that was posted, each parameter at most once, as RFC 6749 section 3.1 wants it.

    Raises `GrantError`.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise GrantError("invalid_request", "post a form: application/x-www-form-urlencoded")
    try:
        posted = await request.post()
    except (UnicodeDecodeError, LookupError, ValueError):
        raise GrantError("invalid_request", "the form is not UTF-8") from None
    if len(posted) != len(set(posted)):
        raise GrantError("invalid_request", "a parameter is given twice")
    if posted.get("client_id") != CLIENT_ID:
        raise GrantError("invalid_client", f"client_id is {CLIENT_ID}")
    return {name: value for name, value in posted.items() if isinstance(value, str)}


def _required(parameters: Mapping[str, str], name: str) -> str:
    value = parameters.get(name)
    if not value:
        raise GrantError("invalid_request", f"{name} is missing")
    return value


def _refused(error: GrantError) -> web.Response:
    status = _STATUSES.get(error.code, 400)
    return web.json_response({"error": error.code, "error_description": error.description}, status=status)


def _too_many(error: SlowDown) -> web.Response:
    seconds = math.ceil(error.retry_after)
    content = {"error": "slow_down", "error_description": f"too many calls: come back in {seconds} s"}
    return web.json_response(content, status=429, headers={"Retry-After": str(seconds)})
