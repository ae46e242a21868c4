"""The wearer's account: what is known of it, download, password, and erasing everything."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from inkling_server.accounts import AccountRefused
from inkling_server.passwords import MAXIMUM_LENGTH, MINIMUM_LENGTH, PasswordRefused
from inkling_server.regions import regions
from inkling_server.web.download import download
from inkling_server.web.visit import WearerVisit, wearers_page

_DONE = {
    "moved": "Your home region is changed.",
    "password": "Your password is changed, and every other browser is logged out.",
}
_WRONG = "This is not your password."


def add_routes(app: web.Application) -> None:
    """Puts the pages in place."""
    app.router.add_get("/account", wearers_page(account))
    app.router.add_post("/account/region", wearers_page(move))
    app.router.add_post("/account/password", wearers_page(change_password))
    app.router.add_get("/account/download", wearers_page(take_out))
    app.router.add_get("/account/erase", wearers_page(erase))
    app.router.add_post("/account/erase", wearers_page(do_erase))


async def account(visit: WearerVisit) -> web.StreamResponse:
    """The account and what can be done with it."""
    return _account_page(visit)


async def move(visit: WearerVisit) -> web.StreamResponse:
    """Changes the home region."""
    try:
        await visit.site.accounts.set_home_region(visit.wearer.id, visit.form.get("home_region", ""))
    except AccountRefused as error:
        return _account_page(visit, {"home_region": str(error)})
    return visit.redirect("/account?done=moved")


async def change_password(visit: WearerVisit) -> web.StreamResponse:
    """Changes the password, and logs every other browser out."""
    accounts = visit.site.accounts
    if not await _knows_password(visit, "current"):
        return _account_page(visit, {"current": _WRONG})
    try:
        await accounts.set_password(visit.wearer.id, visit.form.get("password", ""))
    except PasswordRefused as error:
        return _account_page(visit, {"password": str(error)})
    await accounts.sessions.end_others(visit.wearer.id, visit.token or "")
    return visit.redirect("/account?done=password")


async def take_out(visit: WearerVisit) -> web.StreamResponse:
    """Everything that is held of the wearer, as a file."""
    site = visit.site
    held, _ = await site.store.load(visit.wearer.id)
    pairings = site.accounts.pairings.list(visit.wearer.id)
    text = download(held, visit.wearer, pairings, site.policy.policy, site.clock())
    name = f"inkling-profile-{site.today.isoformat()}.json"
    return web.Response(
        text=text,
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def erase(visit: WearerVisit) -> web.StreamResponse:
    """Asks whether to erase everything."""
    return visit.page("erase.html", errors={})


async def do_erase(visit: WearerVisit) -> web.StreamResponse:
    """Destroys the profile's key, then the account: in this order it can be done again."""
    if not await _knows_password(visit, "password"):
        return visit.page("erase.html", status=422, errors={"password": _WRONG})
    await visit.site.store.delete(visit.wearer.id)
    await visit.site.accounts.erase(visit.wearer.id)
    visit.account = None
    return visit.logged_out("/?done=erased")


async def _knows_password(visit: WearerVisit, field: str) -> bool:
    """Whether the wearer, and not somebody who found the browser open, is at the page. Counts as a log-in."""
    visit.site.limits.log_in_account.take(visit.wearer.email.casefold())
    return await visit.site.accounts.verify(visit.wearer.email, visit.form.get(field, "")) is not None


def _account_page(visit: WearerVisit, errors: Mapping[str, str] | None = None) -> web.Response:
    return visit.page(
        "account.html",
        status=422 if errors else 200,
        errors=errors or {},
        regions=regions(),
        password_lengths=(MINIMUM_LENGTH, MAXIMUM_LENGTH),
        done=_DONE.get(visit.query.get("done", ""), ""),
    )
