"""One request by a person: who it is, what was posted, and the proof that it was posted from our own page.

A browser holds one cookie with a random token. Where the token's hash is among the sessions, the visitor is logged
in. Every form carries a value derived from the token, which nobody can compute who cannot read the cookie; a post
without it is refused. Logging in gives a new token, so that a token planted before is worth nothing after.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from inkling_server.accounts import Account
from inkling_server.sessions import ABSOLUTE_SECONDS
from inkling_server.tokens import new_token, user_code_from
from inkling_server.web.site import SITE, Site

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class Visit:
    """One request by a person, logged in or not."""

    def __init__(self, request: web.Request, token: str | None, account: Account | None) -> None:
        self.request = request
        self.site: Site = request.app[SITE]
        self.account = account
        self.form: Mapping[str, str] = {}
        """What was posted; empty for a request that posts nothing."""
        self._token = token
        self._new_cookie = False

    @property
    def query(self) -> Mapping[str, str]:
        """What stands behind the question mark of the address."""
        return self.request.query

    @property
    def client(self) -> str:
        """The address that limits count by."""
        return self.site.network.client(self.request)

    @property
    def token(self) -> str | None:
        """The token in the browser's cookie."""
        return self._token

    @property
    def form_token(self) -> str:
        """The value that proves a form to be ours; a visitor without a cookie gets one to go with it."""
        if self._token is None:
            self._token = new_token()
            self._new_cookie = True
        return _form_token(self._token)

    def is_ours(self, form_token: str) -> bool:
        """Whether a posted form was made for this very browser."""
        if self._token is None:
            return False
        return hmac.compare_digest(form_token.encode("utf-8", "replace"), _form_token(self._token).encode())

    def page(
        self, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: object
    ) -> web.Response:
        """A page from a template, which also gets the visit as `visit`."""
        text = self.site.renderer.render(template, {"visit": self, **values})
        response = web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=headers)
        if self._new_cookie and self._token is not None:
            self._set_cookie(response, self._token, None)
        return response

    def redirect(self, path: str) -> web.Response:
        """Sends the browser to another page of this site."""
        assert path.startswith("/")
        assert not path.startswith("//")
        return web.Response(status=303, headers={"Location": path})

    def logged_in(self, token: str, path: str) -> web.Response:
        """Gives the browser the token of its session, and sends it on."""
        response = self.redirect(path)
        self._set_cookie(response, token, ABSOLUTE_SECONDS)
        return response

    def logged_out(self, path: str) -> web.Response:
        """Takes the token back, and sends the browser on."""
        response = self.redirect(path)
        https = self.site.network.is_https(self.request)
        response.del_cookie(cookie_name(https), secure=https, httponly=True, samesite="Lax")
        return response

    def _set_cookie(self, response: web.Response, token: str, seconds: int | None) -> None:
        https = self.site.network.is_https(self.request)
        response.set_cookie(
            cookie_name(https), token, max_age=seconds, secure=https, httponly=True, samesite="Lax", path="/"
        )


class WearerVisit(Visit):
    """One request by a wearer who is logged in."""

    def __init__(self, request: web.Request, token: str, account: Account) -> None:
        super().__init__(request, token, account)
        self.wearer = account


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def open_page(handler: Callable[[Visit], Awaitable[web.StreamResponse]]) -> Handler:
    """A handler for everybody."""

    @functools.wraps(handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        visit = await visit_of(request)
        await _read_form(visit)
        return await handler(visit)

    return handle


def wearers_page(handler: Callable[[WearerVisit], Awaitable[web.StreamResponse]]) -> Handler:
    """A handler for wearers who are logged in; anybody else is asked to log in first."""

    @functools.wraps(handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        visit = await visit_of(request)
        if visit.account is None or visit.token is None:
            return visit.redirect(_log_in_path(request))
        wearer = WearerVisit(request, visit.token, visit.account)
        await _read_form(wearer)
        return await handler(wearer)

    return handle


async def visit_of(request: web.Request) -> Visit:
    """Who makes a request."""
    site = request.app[SITE]
    token = request.cookies.get(cookie_name(site.network.is_https(request)), "")
    if not _TOKEN.fullmatch(token):
        return Visit(request, None, None)
    account = await site.accounts.sessions.account(token)
    return Visit(request, token, await site.accounts.get(account) if account else None)


def cookie_name(https: bool) -> str:
    """Under https the name with which browsers take no cookie but from this host, over https (RFC 6265bis 4.1.3.2)."""
    return "__Host-inkling" if https else "inkling"


async def _read_form(visit: Visit) -> None:
    """Reads what was posted. Raises 400 for what is no form, and 403 for a form that is not ours."""
    request = visit.request
    if request.method != "POST":
        return
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise web.HTTPForbidden
    try:
        posted = await request.post()
    except (UnicodeDecodeError, LookupError, ValueError):
        raise web.HTTPBadRequest from None
    visit.form = {name: value for name, value in posted.items() if isinstance(value, str)}
    if not visit.is_ours(visit.form.get("form_token", "")):
        raise web.HTTPForbidden


def _form_token(token: str) -> str:
    digest = hmac.digest(token.encode(), b"inkling form", hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _log_in_path(request: web.Request) -> str:
    """The log-in page, with where to go on from there: one of our pages, by name."""
    if request.path == "/pair":
        code = user_code_from(request.query.get("code", ""))
        return f"/log-in?code={code}" if code else "/log-in?to=pair"
    return "/log-in"
