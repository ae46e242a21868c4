"""Pairing as glasses and wearers see it: the endpoints of RFC 8628, the pages, and forgetting glasses."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from inkling_server.days import day_number
from inkling_server.errors import PairingEnded, StoreUnavailable, TokenInvalid
from inkling_server.merging import Merger
from inkling_server.pairings import REPEAT_SECONDS, Pairings
from inkling_server.profile import Batch, Profile
from inkling_server.stores import ProfileStore, Revision
from tests.server.web.conftest import Browser, Page, Site

WALKING, JAZZ, VOICE = 672, 499, 1
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class Glasses:
    """Glasses that want to be paired."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    async def call(self, path: str, **form: str) -> tuple[int, Any]:
        """Status and content of an answer, which is JSON and not to be kept."""
        page = await self._browser.post(f"/oauth/{path}", {"client_id": "inkling-device", **form})
        assert page.headers["Content-Type"].startswith("application/json")
        assert page.headers["Cache-Control"] == "no-store"
        assert page.set_cookies == []
        return page.status, json.loads(page.body)

    async def begin(self) -> dict[str, Any]:
        """Asks to be paired."""
        status, content = await self.call("device_authorization")
        assert status == 200
        assert isinstance(content, dict)
        return content

    async def poll(self, begun: dict[str, Any]) -> tuple[int, Any]:
        """Asks for tokens."""
        return await self.call("token", grant_type=DEVICE_GRANT, device_code=begun["device_code"])

    async def refresh(self, refresh_token: str) -> tuple[int, Any]:
        """Asks for new tokens."""
        return await self.call("token", grant_type="refresh_token", refresh_token=refresh_token)


@pytest.fixture
def glasses(site: Site) -> Glasses:
    return Glasses(site.browser())


async def approve(browser: Browser, begun: dict[str, Any], **fields: str) -> Page:
    """Says yes on the page."""
    page = await browser.get(f"/pair?code={begun['user_code']}")
    return await browser.submit(page, "/pair", **{"decision": "approve", "held": "yes", "name": "Everyday", **fields})


async def test_pairing_from_the_first_call_to_the_first_token(site: Site, glasses: Glasses) -> None:
    """Code and address, pending, approval on the page, tokens with all that glasses need; and back to the list."""
    robin = await site.account()
    begun = await glasses.begin()
    assert begun["verification_uri"] == "https://inkling.example/pair"
    assert begun["verification_uri_complete"] == f"https://inkling.example/pair?code={begun['user_code']}"
    assert (begun["expires_in"], begun["interval"]) == (900, 5)
    status, content = await glasses.poll(begun)
    assert (status, content["error"]) == (400, "authorization_pending")

    browser = await site.logged_in(robin)
    page = await browser.follow(await approve(browser, begun))
    assert "Your glasses are paired" in page.main.one(role="status").text

    status, content = await glasses.poll(begun)
    assert status == 200
    assert (content["token_type"], content["expires_in"]) == ("Bearer", 3600)
    assert content["grpc_target"] == "sync.example:443"
    assert base64.b64decode(content["policy_key"], validate=True) == site.policy.public_key
    identity = await site.accounts.identify(content["access_token"])
    assert (identity.account, identity.pairing) == (robin.id, content["pairing"])
    assert "Everyday" in (await browser.get("/glasses")).main.text


async def test_errors_of_the_token_endpoint(site: Site, glasses: Glasses) -> None:
    """By the codes of RFC 8628 section 3.5 and RFC 6749 section 5.2."""
    browser = await site.logged_in(await site.account())
    begun = await glasses.begin()
    assert (await glasses.poll(begun))[1]["error"] == "authorization_pending"
    assert (await glasses.poll(begun))[1]["error"] == "slow_down"
    page = await browser.get(f"/pair?code={begun['user_code']}")
    denied = await browser.follow(await browser.submit(page, "/pair", decision="deny"))
    assert "turned away" in denied.main.one(role="status").text
    assert (await glasses.poll(begun)) == (
        400,
        {"error": "access_denied", "error_description": "the wearer has turned the glasses away"},
    )
    late = await glasses.begin()
    site.clock.wait(late["expires_in"])
    assert (await glasses.poll(late))[1]["error"] == "expired_token"
    used = await glasses.begin()
    await approve(browser, used)
    assert (await glasses.poll(used))[0] == 200
    status, content = await glasses.poll(used)
    assert (status, content["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("path", "form", "status", "error"),
    [
        ("device_authorization", {"client_id": "another"}, 401, "invalid_client"),
        ("token", {"client_id": ""}, 401, "invalid_client"),
        ("token", {}, 400, "invalid_request"),
        ("token", {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ("token", {"grant_type": DEVICE_GRANT}, 400, "invalid_request"),
        ("token", {"grant_type": DEVICE_GRANT, "device_code": "guess"}, 400, "invalid_grant"),
        ("token", {"grant_type": "refresh_token"}, 400, "invalid_request"),
        ("token", {"grant_type": "refresh_token", "refresh_token": "guess"}, 400, "invalid_grant"),
        ("revoke", {}, 400, "invalid_request"),
        ("revoke", {"token": "x" * 20_000}, 413, "invalid_request"),
        ("nothing", {}, 404, "invalid_request"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_json(
    glasses: Glasses, path: str, form: dict[str, str], status: int, error: str
) -> None:
    """With the error code that fits, and a sentence for whoever writes the client."""
    answered, content = await glasses.call(path, **form)
    assert (answered, content["error"]) == (status, error)
    assert content["error_description"]


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        ("application/json", b'{"client_id": "inkling-device"}'),
        ("application/x-www-form-urlencoded", b"client_id=inkling-device&client_id=inkling-device"),
        ("application/x-www-form-urlencoded", b"client_id=inkling-device&x=\xff"),
        ("multipart/form-data; boundary=x", b"--x--"),
    ],
)
async def test_what_is_no_form_is_an_invalid_request(site: Site, content_type: str, data: bytes) -> None:
    """Another type, a parameter given twice, and bytes that are no text."""
    page = await site.browser().request("POST", "/oauth/token", data=data, headers={"Content-Type": content_type})
    assert (page.status, json.loads(page.body)["error"]) == (400, "invalid_request")


async def test_refreshing_rotates_and_reuse_ends_the_pairing(site: Site, glasses: Glasses) -> None:
    """New tokens for old; the old one used later ends the pairing, and the page tells its wearer why."""
    robin = await site.account()
    browser = await site.logged_in(robin)
    begun = await glasses.begin()
    await approve(browser, begun)
    _, first = await glasses.poll(begun)
    status, second = await glasses.refresh(first["refresh_token"])
    assert status == 200
    assert second["pairing"] == first["pairing"]
    assert (second["grpc_target"], second["policy_key"]) == (first["grpc_target"], first["policy_key"])
    site.clock.wait(REPEAT_SECONDS)
    assert (await glasses.refresh(first["refresh_token"]))[1]["error"] == "invalid_grant"
    assert (await glasses.refresh(second["refresh_token"]))[1]["error"] == "invalid_grant"
    with pytest.raises(PairingEnded):
        await site.accounts.identify(second["access_token"])
    assert "used a second time" in (await browser.get("/glasses")).main.text


async def test_glasses_unpair_themselves(site: Site, glasses: Glasses) -> None:
    """Revocation answers 200 whether the token is known or not (RFC 7009), and the page shows it."""
    robin = await site.account()
    tokens = await site.pair(robin)
    assert await glasses.call("revoke", token="guess") == (200, {})
    assert await glasses.call("revoke", token=tokens.refresh_token, token_type_hint="refresh_token") == (200, {})
    with pytest.raises(PairingEnded):
        await site.accounts.identify(tokens.access_token)
    assert "Unpaired on the glasses" in (await (await site.logged_in(robin)).get("/glasses")).main.text


async def test_glasses_that_ask_without_end_are_limited(site: Site, glasses: Glasses) -> None:
    """Sixty codes from one address, then one in five seconds; `Retry-After` says when."""
    for _ in range(60):
        await glasses.begin()
    page = await site.browser().post("/oauth/device_authorization", {"client_id": "inkling-device"})
    assert (page.status, json.loads(page.body)["error"]) == (429, "slow_down")
    site.clock.wait(int(page.headers["Retry-After"]))
    await glasses.begin()


async def test_glasses_are_told_to_come_back_where_accounts_cannot_be_reached(
    site: Site, glasses: Glasses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 and temporarily_unavailable, in JSON."""

    async def broken(self: Pairings, refresh_token: str) -> None:
        raise StoreUnavailable("the accounts cannot be read")

    monkeypatch.setattr(Pairings, "refresh", broken)
    status, content = await glasses.refresh("any")
    assert (status, content["error"]) == (503, "temporarily_unavailable")


async def test_the_page_shows_the_code_and_what_is_agreed_to(site: Site, glasses: Glasses) -> None:
    """Which glasses, what they send, what never leaves them, and for how long."""
    begun = await glasses.begin()
    page = await (await site.logged_in(await site.account())).get(f"/pair?code={begun['user_code'].lower()}")
    assert page.main.one("p", class_="shown-code").text == begun["user_code"]
    text = page.main.text
    for words in ("your words, your voice, your pictures, your place", "religion", "trade-union", "children",
                  "the day, never the hour", "advertising systems", "90 days", "540"):  # fmt: skip
        assert words in text


async def test_pairing_needs_the_word_that_the_glasses_are_here(site: Site, glasses: Glasses) -> None:
    """Without it nothing is approved, and the page asks for it: a code that a stranger sent is not confirmed."""
    robin = await site.account()
    browser = await site.logged_in(robin)
    begun = await glasses.begin()
    page = await approve(browser, begun, held="")
    assert page.status == 422
    assert "Confirm that you have these glasses with you" in page.main.one(role="alert").text
    assert page.main.one(id="name").attributes["value"] == "Everyday"
    assert (await glasses.poll(begun))[1]["error"] == "authorization_pending"


@pytest.mark.parametrize("decision", ["", "deny", "APPROVE", "yes"])
async def test_only_a_plain_yes_is_a_yes(site: Site, glasses: Glasses, decision: str) -> None:
    """Anything else turns the glasses away."""
    browser = await site.logged_in(await site.account())
    begun = await glasses.begin()
    await approve(browser, begun, decision=decision)
    assert (await glasses.poll(begun))[1]["error"] == "access_denied"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", "My glasses"),
        ("   ", "My glasses"),
        (" Reading   pair\n", "Reading pair"),
        ("x" * 100, "x" * 40),
        ("a\u202eb\x00c", "abc"),
        ("Brille für draußen 👓", "Brille für draußen 👓"),
    ],
)
async def test_glasses_have_a_name_that_fits_the_page(site: Site, glasses: Glasses, given: str, kept: str) -> None:
    """One line, printable, at most 40 characters; without one a plain name."""
    robin = await site.account()
    begun = await glasses.begin()
    await approve(await site.logged_in(robin), begun, name=given)
    await glasses.poll(begun)
    assert [pairing.name for pairing in site.accounts.pairings.list(robin.id)] == [kept]


@pytest.mark.parametrize("code", ["WDJB-MJHT", "nonsense", "'\"><script>", "%00", "x" * 500])
async def test_a_code_that_no_glasses_show_is_told(site: Site, code: str) -> None:
    """With advice, and with what was typed still in the field."""
    page = await (await site.logged_in(await site.account())).get(f"/pair?code={code}")
    assert page.status == 422
    assert "Look at your glasses" in page.main.one(role="alert").text
    assert page.root.all("script") == []


async def test_a_code_that_ran_out_while_its_page_was_open_is_told(site: Site, glasses: Glasses) -> None:
    """The approval comes too late, and nothing is paired."""
    robin = await site.account()
    browser = await site.logged_in(robin)
    begun = await glasses.begin()
    page = await browser.get(f"/pair?code={begun['user_code']}")
    site.clock.wait(begun["expires_in"])
    late = await browser.submit(page, "/pair", decision="approve", held="yes", name="")
    assert late.status == 422
    assert "No glasses are waiting" in late.main.text
    assert site.accounts.pairings.list(robin.id) == []


async def test_codes_cannot_be_guessed(site: Site, glasses: Glasses) -> None:
    """Twelve looks by one account, by page or by form, then one a minute; the right code is refused as well then."""
    browser = await site.logged_in(await site.account())
    begun = await glasses.begin()
    form = {"form_token": (await browser.get("/pair")).form("/log-out")["form_token"], "decision": "approve"}
    for number in range(6):
        assert (await browser.get(f"/pair?code=BCDF-GHJ{'BCDFGHJK'[number]}")).status == 422
        assert (await browser.post("/pair", {**form, "code": "BCDFGHJK", "held": "yes"})).status == 422
    refused = await browser.get(f"/pair?code={begun['user_code']}")
    assert (refused.status, refused.heading) == (429, "Too many attempts")
    approval = await browser.post("/pair", {**form, "code": begun["user_code"], "held": "yes"})
    assert approval.status == 429
    assert (await glasses.poll(begun))[1]["error"] == "authorization_pending"
    site.clock.wait(int(refused.headers["Retry-After"]))
    assert (await browser.get(f"/pair?code={begun['user_code']}")).status == 200


async def test_many_accounts_of_one_address_cannot_guess_either(site: Site) -> None:
    """Forty looks from one address."""
    statuses = []
    for number in range(5):
        browser = await site.logged_in(await site.account(f"{number}@example.org"))
        statuses += [(await browser.get("/pair?code=BCDF-GHJK")).status for _ in range(9)]
    assert statuses == [422] * 40 + [429] * 5


@pytest.mark.parametrize(("home_region", "birth_year"), [("FR", 1988), ("US", 2012)])
async def test_who_is_left_out_is_told_before_pairing(
    site: Site, glasses: Glasses, home_region: str, birth_year: int
) -> None:
    """Nothing will be recorded, and the page says so above the question."""
    robin = await site.account(home_region=home_region, birth_year=birth_year)
    begun = await glasses.begin()
    page = await (await site.logged_in(robin)).get(f"/pair?code={begun['user_code']}")
    assert "for your account nothing is recorded" in page.main.text


async def test_forgetting_glasses_takes_out_exactly_what_they_brought(site: Site) -> None:
    """Their hints are gone from the profile, the other pair's are not, and their tokens are worth nothing."""
    robin = await site.account()
    first, second = await site.pair(robin), await site.pair(robin, "Running pair")
    await site.bring(robin, first.pairing, (WALKING, VOICE, 3), (JAZZ, VOICE, 1))
    await site.bring(robin, second.pairing, (WALKING, VOICE, 2))
    browser = await site.logged_in(robin)
    listed = (await browser.get("/glasses")).main.text
    assert "4 hints of 2 interests" in listed
    assert "2 hints of 1 interest" in listed
    question = await browser.get(f"/glasses/{first.pairing}/forget")
    assert "Forget “Everyday glasses”?" in question.main.text
    assert "4 hints of 2 interests" in question.main.text
    assert (await site.profile(robin)).contributions.keys() == {first.pairing, second.pairing}
    path = f"/glasses/{first.pairing}/forget"
    page = await browser.follow(await browser.submit(question, path))
    assert "forgotten" in page.main.one(role="status").text
    assert [heading.text for heading in page.main.all("h2")] == ["Running pair"]
    assert (await site.profile(robin)).contributions.keys() == {second.pairing}
    with pytest.raises(TokenInvalid):
        await site.accounts.identify(first.access_token)
    await site.accounts.identify(second.access_token)
    assert (await browser.get(path)).status == 404


class HeldStore:
    """A store whose calls of one kind wait at a gate, so that something else can come in between."""

    def __init__(self, store: ProfileStore, held: str) -> None:
        self._store = store
        self._held = held
        self.arrived = asyncio.Event()
        self.gate = asyncio.Event()

    async def load(self, account: str) -> tuple[Profile, Revision]:
        await self._wait("load")
        return await self._store.load(account)

    async def save(self, account: str, profile: Profile, *, expected: Revision) -> Revision:
        await self._wait("save")
        return await self._store.save(account, profile, expected=expected)

    async def delete(self, account: str) -> None:
        await self._store.delete(account)

    async def _wait(self, call: str) -> None:
        if call == self._held:
            self.arrived.set()
            await self.gate.wait()


@pytest.mark.parametrize("held", ["load", "save"])
@pytest.mark.parametrize("first", [True, False], ids=["the only glasses", "second glasses"])
async def test_a_first_batch_under_way_brings_nothing_back(site: Site, held: str, first: bool) -> None:
    """Whether it was about to be loaded for or saved when the wearer forgot the glasses: it is told that they ended."""
    robin = await site.account()
    if not first:
        await site.bring(robin, (await site.pair(robin)).pairing, (WALKING, VOICE, 2))
    before = await site.profile(robin)
    tokens = await site.pair(robin, "Lost glasses")
    store = HeldStore(site.store, held)
    today = site.clock().date()
    batch = Batch(1, ((JAZZ, day_number(today), VOICE, 90),))
    merger = Merger(store, site.accounts.lives)
    merging = asyncio.create_task(merger.merge(robin.id, tokens.pairing, batch, policy=site.policy.policy, today=today))
    await store.arrived.wait()
    browser = await site.logged_in(robin)
    path = f"/glasses/{tokens.pairing}/forget"
    await browser.follow(await browser.submit(await browser.get(path), path))
    store.gate.set()
    with pytest.raises(PairingEnded):
        await merging
    assert await site.profile(robin) == before


async def test_anothers_glasses_cannot_be_seen_or_forgotten(site: Site) -> None:
    """They are not found, like glasses that never were; and all of their hints stay."""
    robin, kim = await site.account(), await site.account("kim@example.org")
    tokens, own = await site.pair(robin), await site.pair(kim)
    await site.bring(robin, tokens.pairing, (WALKING, VOICE, 3))
    browser = await site.logged_in(kim)
    form = (await browser.get(f"/glasses/{own.pairing}/forget")).form(f"/glasses/{own.pairing}/forget")
    for pairing in (tokens.pairing, "0" * 16):
        path = f"/glasses/{pairing}/forget"
        assert (await browser.get(path)).status == 404
        assert (await browser.post(path, form)).status == 404
    await site.accounts.identify(tokens.access_token)
    assert tokens.pairing in (await site.profile(robin)).contributions
