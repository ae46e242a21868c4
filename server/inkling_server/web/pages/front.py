"""What everybody can read."""

from __future__ import annotations

from aiohttp import web

from inkling_server.regions import regions
from inkling_server.web.site import SITE
from inkling_server.web.visit import Visit, open_page


def add_routes(app: web.Application) -> None:
    """Puts the pages in place."""
    app.router.add_get("/", open_page(home))
    app.router.add_get("/privacy", open_page(privacy))
    app.router.add_get("/healthz", healthz)


async def home(visit: Visit) -> web.StreamResponse:
    """What this is, or the profile of a wearer who is logged in."""
    if visit.account is not None:
        return visit.redirect("/profile")
    erased = visit.query.get("done") == "erased"
    return visit.page("home.html", done="Everything is erased: profile, glasses, account." if erased else "")


async def privacy(visit: Visit) -> web.StreamResponse:
    """What is kept, why, for how long, and what never is."""
    policy = visit.site.policy.policy
    excluded = sorted((regions().get(code, code) for code in policy.excluded_regions), key=str.casefold)
    return visit.page("privacy.html", policy=policy, excluded=excluded)


async def healthz(request: web.Request) -> web.Response:
    """Whether the pages and the accounts answer."""
    await request.app[SITE].accounts.get("")
    return web.Response(text="ok\n")
