"""Pairing glasses, and forgetting them with all that they brought."""

from __future__ import annotations

from aiohttp import web

from inkling_server import profile as profiles
from inkling_server.editing import edit
from inkling_server.pairings import MAXIMUM_NAME_LENGTH, Pairing
from inkling_server.tokens import shown_user_code, user_code_from
from inkling_server.web.views import brought, standing_name
from inkling_server.web.visit import WearerVisit, wearers_page

_DONE = {
    "paired": "Your glasses are paired. They are ready in a few seconds.",
    "denied": "Those glasses were turned away.",
    "forgotten": "Those glasses are forgotten, and what they brought is taken out.",
}
_NOT_PENDING = "No glasses are waiting with this code. Look at your glasses: the code may be another one by now."
_NOT_HELD = "Confirm that you have these glasses with you, or turn them away."


def add_routes(app: web.Application) -> None:
    """Puts the pages in place."""
    app.router.add_get("/glasses", wearers_page(glasses))
    app.router.add_get("/glasses/{pairing:[0-9a-f]{16}}/forget", wearers_page(forget))
    app.router.add_post("/glasses/{pairing:[0-9a-f]{16}}/forget", wearers_page(do_forget))
    app.router.add_get("/pair", wearers_page(pair))
    app.router.add_post("/pair", wearers_page(do_pair))


async def glasses(visit: WearerVisit) -> web.StreamResponse:
    """The wearer's glasses, and what each has brought."""
    site = visit.site
    held, _ = await site.store.load(visit.wearer.id)
    policy = site.policy.policy
    listed = [
        (pairing, brought(held.contributions.get(pairing.id), policy, site.today))
        for pairing in site.accounts.pairings.list(visit.wearer.id)
    ]
    return visit.page("glasses.html", glasses=listed, done=_DONE.get(visit.query.get("done", ""), ""))


async def forget(visit: WearerVisit) -> web.StreamResponse:
    """Asks whether to forget glasses."""
    pairing = _own(visit)
    held, _ = await visit.site.store.load(visit.wearer.id)
    words = brought(held.contributions.get(pairing.id), visit.site.policy.policy, visit.site.today)
    return visit.page("forget.html", pairing=pairing, brought=words)


async def do_forget(visit: WearerVisit) -> web.StreamResponse:
    """Ends a pairing, then takes out what it brought, then forgets it: in this order it can be done again.

    The profile is saved even where the pairing has brought nothing: its first batch may be on its way to the store.
    """
    pairing = _own(visit)
    pairings = visit.site.accounts.pairings
    await pairings.end(visit.wearer.id, pairing.id)
    await edit(visit.site.store, visit.wearer.id, lambda held: profiles.forget(held, pairing.id), always=True)
    await pairings.remove(visit.wearer.id, pairing.id)
    return visit.redirect("/glasses?done=forgotten")


async def pair(visit: WearerVisit) -> web.StreamResponse:
    """Asks for the code that the glasses show, or, with a code in the address, whether to let them in."""
    given = visit.query.get("code", "")
    if not given:
        return visit.page("pair.html", given="", error="")
    code = _pending(visit, given)
    if code is None:
        return visit.page("pair.html", status=422, given=given, error=_NOT_PENDING)
    return await _consent_page(visit, code)


async def do_pair(visit: WearerVisit) -> web.StreamResponse:
    """Lets glasses in, or turns them away."""
    given = visit.form.get("code", "")
    code = _pending(visit, given)
    if code is None:
        return visit.page("pair.html", status=422, given=given, error=_NOT_PENDING)
    pairings = visit.site.accounts.pairings
    if visit.form.get("decision") != "approve":
        await pairings.deny(code, visit.wearer.id)
        return visit.redirect("/glasses?done=denied")
    if visit.form.get("held") != "yes":
        return await _consent_page(visit, code, _NOT_HELD)
    if not await pairings.approve(code, visit.wearer.id, _name(visit.form.get("name", ""))):
        return visit.page("pair.html", status=422, given=given, error=_NOT_PENDING)
    return visit.redirect("/glasses?done=paired")


async def _consent_page(visit: WearerVisit, code: str, error: str = "") -> web.Response:
    site = visit.site
    held, _ = await site.store.load(visit.wearer.id)
    policy = site.policy.policy
    return visit.page(
        "consent.html",
        status=422 if error else 200,
        code=shown_user_code(code),
        name=visit.form.get("name", ""),
        name_length=MAXIMUM_NAME_LENGTH,
        standing=standing_name(held, visit.wearer, policy, site.today),
        policy=policy,
        error=error,
    )


def _pending(visit: WearerVisit, given: str) -> str | None:
    """The code in what was given, if glasses wait with it. Every look counts, so that codes cannot be guessed."""
    visit.site.limits.code_address.take(visit.client)
    visit.site.limits.code_account.take(visit.wearer.id)
    code = user_code_from(given)
    return code if code and visit.site.accounts.pairings.is_pending(code) else None


def _own(visit: WearerVisit) -> Pairing:
    """The wearer's own pairing of the address. Raises 404 for anybody else's, as for one that never was."""
    wanted = visit.request.match_info["pairing"]
    for pairing in visit.site.accounts.pairings.list(visit.wearer.id):
        if pairing.id == wanted:
            return pairing
    raise web.HTTPNotFound


def _name(given: str) -> str:
    """The name to keep: printable, on one line, of a length that fits the page."""
    shown = "".join(letter for letter in " ".join(given.split()) if letter.isprintable())
    return shown[:MAXIMUM_NAME_LENGTH].strip() or "My glasses"
