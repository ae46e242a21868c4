"""The wearers' pages and the pairing endpoints, put together."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import web

from inkling_server.accounts import Accounts
from inkling_server.days import Clock, utc_now
from inkling_server.errors import AccountErased, SlowDown, StoreUnavailable
from inkling_server.policy_book import PolicyBook
from inkling_server.settings import Settings
from inkling_server.stores import ProfileStore
from inkling_server.web import oauth
from inkling_server.web.limits import Limits, Rates
from inkling_server.web.network import Network
from inkling_server.web.pages import account, entry, front, glasses, profile
from inkling_server.web.rendering import Renderer
from inkling_server.web.site import SITE, Site
from inkling_server.web.visit import Handler, Visit, visit_of
from inkling_server.web.words import wait_text

_log = logging.getLogger(__name__)

_MAXIMUM_BODY = 16 * 1024
"""Bytes: the largest form takes a tenth of it."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "inkling",  # not the versions of what it is made of
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_HSTS = "max-age=31536000"

_STATIC = Path(__file__).parent / "static"


def build(
    *,
    accounts: Accounts,
    store: ProfileStore,
    policy: PolicyBook,
    settings: Settings,
    clock: Clock = utc_now,
    trusted_proxies: Sequence[str] = (),
    allow_plain_http: bool = False,
    rates: Rates | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> web.Application:
    """The web application of a server. All that is passed in belongs to the caller, who closes it.

    `trusted_proxies` are addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    Without https, pages go to the machine itself only, unless `allow_plain_http` is set.
    Raises `StartError` for a proxy that is neither address nor network.
    """
    app = web.Application(client_max_size=_MAXIMUM_BODY, middlewares=[_answering, _guarding])
    static = web.StaticResource("/static", _STATIC)
    app.router.register_resource(static)

    @functools.cache
    def static_url(name: str) -> str:
        return str(static.url_for(filename=name, append_version=True))

    app[SITE] = Site(
        accounts=accounts,
        store=store,
        policy=policy,
        settings=settings,
        clock=clock,
        limits=Limits(rates or Rates(), monotonic),
        network=Network(trusted_proxies, allow_plain_http=allow_plain_http),
        renderer=Renderer(static_url),
    )
    for part in (front, entry, profile, glasses, account, oauth):
        part.add_routes(app)
    app.on_response_prepare.append(_put_headers)
    return app


async def _put_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What every answer carries, error pages and files included."""
    response.headers.update(_HEADERS)
    if request.app[SITE].network.is_https(request):
        response.headers["Strict-Transport-Security"] = _HSTS
    is_static = request.path.startswith("/static/") and response.status in {200, 206, 304}
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_static else "no-store"


@web.middleware
async def _answering(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns whatever goes wrong into a page that says what to do."""
    try:
        return await handler(request)
    except SlowDown as error:
        return await _too_many(request, error)
    except AccountErased:
        return await _error_page(request, 409, "erased")
    except StoreUnavailable as error:
        _log.error("page not served, the store is unavailable error=%s", error)
        return await _error_page(request, 503, "unavailable", {"Retry-After": "30"})
    except web.HTTPException as error:
        if error.status < 400:
            raise
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return await _error_page(request, error.status, str(error.status), headers)
    except Exception:
        # The traceback holds places in the code, no form and no cookie.
        _log.exception("page not served")
        return await _error_page(request, 500, "500")


@web.middleware
async def _guarding(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Serves nobody who can be read along: passwords and tokens cross the network encrypted or not at all."""
    if not request.app[SITE].network.is_safe(request):
        return await _error_page(request, 403, "plain")
    return await handler(request)


async def _too_many(request: web.Request, error: SlowDown) -> web.StreamResponse:
    headers = {"Retry-After": str(math.ceil(error.retry_after))}
    return await _error_page(request, 429, "429", headers, wait=wait_text(error.retry_after))


async def _error_page(
    request: web.Request, status: int, kind: str, headers: dict[str, str] | None = None, wait: str = ""
) -> web.StreamResponse:
    if request.path.startswith("/oauth/"):
        return oauth.failure(status, kind, headers)
    try:
        visit = await visit_of(request)
    except StoreUnavailable:
        visit = Visit(request, None, None)
    return visit.page("error.html", status=status, headers=headers, kind=kind, wait=wait)
