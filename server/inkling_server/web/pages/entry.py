"""Signing up, logging in, logging out."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from inkling_server.accounts import OLDEST_BIRTH_YEAR, Account, AccountRefused
from inkling_server.passwords import MAXIMUM_LENGTH, MINIMUM_LENGTH, PasswordRefused
from inkling_server.regions import regions
from inkling_server.tokens import shown_user_code, user_code_from
from inkling_server.web.visit import Visit, WearerVisit, open_page, wearers_page

_WRONG = "This e-mail address and password do not belong together."


def add_routes(app: web.Application) -> None:
    """Puts the pages in place."""
    app.router.add_get("/sign-up", open_page(sign_up))
    app.router.add_post("/sign-up", open_page(do_sign_up))
    app.router.add_get("/log-in", open_page(log_in))
    app.router.add_post("/log-in", open_page(do_log_in))
    app.router.add_post("/log-out", wearers_page(do_log_out))


async def sign_up(visit: Visit) -> web.StreamResponse:
    """The form for a new account."""
    if visit.account is not None:
        return visit.redirect(_destination(visit.query))
    return _sign_up_page(visit, visit.query)


async def do_sign_up(visit: Visit) -> web.StreamResponse:
    """Makes an account and logs in to it."""
    form = visit.form
    visit.site.limits.sign_up_address.take(visit.client)
    try:
        account = await visit.site.accounts.create(
            form.get("email", ""), form.get("password", ""), form.get("home_region", ""), _year(form)
        )
    except AccountRefused as error:
        return _sign_up_page(visit, form, {error.field: str(error)})
    except PasswordRefused as error:
        return _sign_up_page(visit, form, {"password": str(error)})
    return await _start_session(visit, account)


async def log_in(visit: Visit) -> web.StreamResponse:
    """The form for an account that there is."""
    if visit.account is not None:
        return visit.redirect(_destination(visit.query))
    return _log_in_page(visit, visit.query)


async def do_log_in(visit: Visit) -> web.StreamResponse:
    """Logs in."""
    email, password = visit.form.get("email", ""), visit.form.get("password", "")
    visit.site.limits.log_in_address.take(visit.client)
    visit.site.limits.log_in_account.take(email.strip().casefold())
    account = await visit.site.accounts.verify(email, password)
    if account is None:
        return _log_in_page(visit, visit.form, {"email": _WRONG})
    return await _start_session(visit, account)


async def do_log_out(visit: WearerVisit) -> web.StreamResponse:
    """Ends the session."""
    await visit.site.accounts.sessions.end(visit.token or "")
    return visit.logged_out("/")


async def _start_session(visit: Visit, account: Account) -> web.StreamResponse:
    if visit.account is not None and visit.token is not None:
        await visit.site.accounts.sessions.end(visit.token)
    token = await visit.site.accounts.sessions.start(account.id)
    return visit.logged_in(token, _destination(visit.form))


def _destination(given: Mapping[str, str]) -> str:
    """Where to go on: one of our pages, chosen by name and never by address."""
    if code := user_code_from(given.get("code", "")):
        return f"/pair?code={shown_user_code(code)}"
    return "/pair" if given.get("to") == "pair" else "/profile"


def _sign_up_page(visit: Visit, given: Mapping[str, str], errors: Mapping[str, str] | None = None) -> web.Response:
    this_year = visit.site.today.year
    return visit.page(
        "sign_up.html",
        status=422 if errors else 200,
        given=_given(given),
        errors=errors or {},
        regions=regions(),
        years=range(OLDEST_BIRTH_YEAR, this_year + 1),
        password_lengths=(MINIMUM_LENGTH, MAXIMUM_LENGTH),
    )


def _log_in_page(visit: Visit, given: Mapping[str, str], errors: Mapping[str, str] | None = None) -> web.Response:
    return visit.page("log_in.html", status=422 if errors else 200, given=_given(given), errors=errors or {})


def _given(given: Mapping[str, str]) -> Mapping[str, str]:
    """What is put back into a form: everything but passwords."""
    return {name: given.get(name, "") for name in ("email", "home_region", "birth_year", "code", "to")}


def _year(form: Mapping[str, str]) -> int:
    text = form.get("birth_year", "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) == 4 else 0
