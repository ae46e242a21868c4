"""What the profile holds and why, and the switches on it."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from inkling.topics import taxonomy
from inkling_server import profile as profiles
from inkling_server.editing import edit
from inkling_server.profile import Profile
from inkling_server.regions import regions
from inkling_server.web.views import profile_view, topic_words
from inkling_server.web.visit import WearerVisit, wearers_page
from inkling_server.web.words import SOURCE_SENTENCES

_DONE = {
    "paused": "Your profile is paused.",
    "resumed": "Your profile goes on from now.",
    "blocked": "“{}” is blocked: it is neither recorded nor read any more.",
    "allowed": "“{}” is allowed again.",
    "source-blocked": "This way no longer counts.",
    "source-allowed": "This way counts again.",
}


def add_routes(app: web.Application) -> None:
    """Puts the pages in place."""
    app.router.add_get("/profile", wearers_page(profile))
    app.router.add_post("/profile/pause", wearers_page(pause))
    app.router.add_post("/profile/resume", wearers_page(resume))
    app.router.add_post("/profile/topics/{topic:[0-9]{1,9}}/{deed:block|allow}", wearers_page(switch_topic))
    app.router.add_post("/profile/sources/{source:[0-9]}/{deed:block|allow}", wearers_page(switch_source))


async def profile(visit: WearerVisit) -> web.StreamResponse:
    """The wearer's profile."""
    site = visit.site
    held, _ = await site.store.load(visit.wearer.id)
    policy = site.policy.policy
    return visit.page(
        "profile.html",
        profile=profile_view(held, visit.wearer, policy, site.today),
        policy=policy,
        region=regions().get(visit.wearer.home_region, visit.wearer.home_region),
        has_glasses=any(pairing.ended is None for pairing in site.accounts.pairings.list(visit.wearer.id)),
        done=_done(visit),
    )


async def pause(visit: WearerVisit) -> web.StreamResponse:
    """Stops recording and reading."""
    return await _changed(visit, lambda held: profiles.pause(held, True), "paused")


async def resume(visit: WearerVisit) -> web.StreamResponse:
    """Takes `pause` back."""
    return await _changed(visit, lambda held: profiles.pause(held, False), "resumed")


async def switch_topic(visit: WearerVisit) -> web.StreamResponse:
    """Blocks a topic, or allows it again; it works at the next read."""
    topic = int(visit.request.match_info["topic"])
    if visit.request.match_info["deed"] == "block":
        if topic not in taxonomy():
            raise web.HTTPNotFound
        return await _changed(visit, lambda held: profiles.block_topic(held, topic), f"blocked&topic={topic}")
    return await _changed(visit, lambda held: profiles.allow_topic(held, topic), f"allowed&topic={topic}")


async def switch_source(visit: WearerVisit) -> web.StreamResponse:
    """Blocks a source, or allows it again."""
    source = int(visit.request.match_info["source"])
    if source not in SOURCE_SENTENCES:
        raise web.HTTPNotFound
    if visit.request.match_info["deed"] == "block":
        return await _changed(visit, lambda held: profiles.block_source(held, source), "source-blocked")
    return await _changed(visit, lambda held: profiles.allow_source(held, source), "source-allowed")


async def _changed(visit: WearerVisit, change: Callable[[Profile], Profile], done: str) -> web.StreamResponse:
    await edit(visit.site.store, visit.wearer.id, change)
    return visit.redirect(f"/profile?done={done}")


def _done(visit: WearerVisit) -> str:
    """What was just done, from the address that the deed has led to."""
    topic = visit.query.get("topic", "")
    label = topic_words(int(topic))[0] if topic.isascii() and topic.isdecimal() and len(topic) < 10 else ""
    return _DONE.get(visit.query.get("done", ""), "").format(label)
