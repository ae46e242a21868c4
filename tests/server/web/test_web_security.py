"""What keeps strangers out: headers, cookies, forms, limits, and what is believed about the network."""

from __future__ import annotations

import logging
import math
from http.cookies import SimpleCookie

import pytest

from inkling_server.errors import StartError, StoreUnavailable
from inkling_server.profile import Profile
from inkling_server.sessions import ABSOLUTE_SECONDS, IDLE_SECONDS
from inkling_server.stores import Revision
from inkling_server.stores.memory import MemoryStore
from inkling_server.tokens import new_token, token_hash
from inkling_server.web.network import Network
from tests.server.web.conftest import PASSWORD, Browser, Page, Site

HTTPS = {"X_Forwarded_For": "203.0.113.9", "X_Forwarded_Proto": "https"}
OPEN_PAGES = ["/", "/privacy", "/log-in", "/sign-up", "/healthz", "/nowhere", "/static/page.css", "/static/nothing.css"]
WEARERS_PAGES = ["/profile", "/glasses", "/pair", "/account", "/account/download", "/account/erase"]
FORMS = [
    "/log-out",
    "/profile/pause",
    "/profile/resume",
    "/profile/topics/672/block",
    "/profile/topics/672/allow",
    "/profile/sources/1/block",
    "/pair",
    "/account/region",
    "/account/password",
    "/account/erase",
]


@pytest.mark.parametrize("path", OPEN_PAGES + WEARERS_PAGES)
async def test_every_answer_is_locked_down(site: Site, path: str) -> None:
    """No script, no frame, no guessing of types, no referrer, no other origin: on pages, files and errors alike."""
    page = await (await site.logged_in(await site.account())).get(path)
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert {"frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "style-src 'self'"} <= set(policy)
    assert not any("script" in part or "unsafe" in part or "http" in part for part in policy)
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "Strict-Transport-Security" not in page.headers
    assert page.headers["Server"] == "inkling"


@pytest.mark.parametrize("path", ["/privacy", "/profile", "/static/page.css", "/nowhere"])
async def test_browsers_are_told_to_stay_with_https(proxied_site: Site, path: str) -> None:
    """Over https every answer carries HSTS for a year."""
    page = await proxied_site.browser(**HTTPS).get(path)
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_pages_are_not_kept_by_caches_and_files_are(site: Site) -> None:
    """What tells about a person is never stored; the style sheet is, under an address that changes with it."""
    browser = await site.logged_in(await site.account())
    profile = await browser.get("/profile")
    assert profile.headers["Cache-Control"] == "no-store"
    assert (await browser.get("/account/download")).headers["Cache-Control"] == "no-store"
    sheet = profile.root.one("link", rel="stylesheet").attributes["href"]
    assert "v=" in sheet
    assert "immutable" in (await browser.get(sheet)).headers["Cache-Control"]
    assert (await browser.get("/static/nothing.css")).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/log-in", "/sign-up", "/privacy", "/profile", "/glasses", "/pair", "/account"])
async def test_pages_load_nothing_from_elsewhere_and_run_nothing(site: Site, path: str) -> None:
    """No script, no style of its own, no event handler, and no address but our own."""
    browser = site.browser() if path in {"/", "/log-in", "/sign-up"} else await site.logged_in(await site.account())
    page = await browser.get(path)
    assert page.status == 200
    for element in page.root.all():
        assert element.tag not in {"script", "style", "iframe", "object", "embed"}
        assert not any(name.startswith("on") or name == "style" for name in element.attributes)
        for name in ("href", "src", "action"):
            assert element.attributes.get(name, "/").startswith(("/", "#"))
            assert not element.attributes.get(name, "/").startswith("//")


def morsels(page: Page) -> dict[str, dict[str, str]]:
    """The cookies that an answer sets, with their attributes."""
    return {
        name: {key: str(value) for key, value in morsel.items() if value}
        for line in page.set_cookies
        for name, morsel in SimpleCookie(line).items()
    }


async def test_over_https_the_cookie_is_bound_to_host_and_https(proxied_site: Site) -> None:
    """`__Host-`, Secure, HttpOnly, SameSite=Lax, Path=/ and no Domain; for the log-in and for the form before it."""
    await proxied_site.account()
    browser = proxied_site.browser(**HTTPS)
    form = await browser.get("/log-in")
    logged_in = await browser.submit(form, "/log-in", email="robin@example.org", password=PASSWORD)
    for page, lasts in ((form, False), (logged_in, True)):
        ((name, attributes),) = morsels(page).items()
        assert name == "__Host-inkling"
        assert attributes.pop("max-age", None) == (str(ABSOLUTE_SECONDS) if lasts else None)
        assert attributes == {"path": "/", "secure": "True", "httponly": "True", "samesite": "Lax"}
    assert (await browser.get("/profile")).status == 200


async def test_on_this_machine_without_https_the_cookie_has_another_name(site: Site) -> None:
    """A browser would not keep a `__Host-` cookie there; all else holds."""
    await site.account()
    ((name, attributes),) = morsels(await site.browser().log_in("robin@example.org")).items()
    assert name == "inkling"
    assert attributes.keys() == {"path", "max-age", "httponly", "samesite"}


async def test_the_cookie_of_plain_http_is_not_taken_over_https(proxied_site: Site) -> None:
    """So nobody on the network can plant one for an https session."""
    robin = await proxied_site.account()
    browser = proxied_site.browser(**HTTPS)
    browser.cookies["inkling"] = await proxied_site.accounts.sessions.start(robin.id)
    assert (await browser.get("/profile")).status == 303


async def test_who_only_reads_gets_no_cookie(site: Site) -> None:
    """Pages without a form set none."""
    for path in ("/", "/privacy", "/nowhere", "/healthz"):
        assert (await site.browser().get(path)).set_cookies == []


async def test_logging_in_gives_a_new_token(site: Site) -> None:
    """A token that somebody planted in the browser before is worth nothing after, whether it was known or not."""
    robin = await site.account()
    for planted in (new_token(), await site.accounts.sessions.start((await site.account("thief@example.org")).id)):
        browser = site.browser()
        browser.cookies["inkling"] = planted
        if (await browser.get("/log-in")).status == 303:
            page = await browser.get("/profile")
            form = {"form_token": page.form("/log-out")["form_token"], "email": robin.email, "password": PASSWORD}
            assert (await browser.post("/log-in", form)).status == 303
        else:
            await browser.log_in(robin.email)
        assert browser.cookies["inkling"] != planted
        assert await site.accounts.sessions.account(browser.cookies["inkling"]) == robin.id
        assert await site.accounts.sessions.account(planted) is None


async def test_logging_out_ends_the_session_on_the_server(site: Site) -> None:
    """The cookie is taken back, and worth nothing to whoever kept it."""
    browser = await site.logged_in(await site.account())
    kept = dict(browser.cookies)
    page = await browser.submit(await browser.get("/profile"), "/log-out")
    assert page.headers["Location"] == "/"
    assert browser.cookies == {}
    browser.cookies = kept
    assert (await browser.get("/profile")).status == 303


async def test_a_session_ends_when_it_is_not_used(site: Site) -> None:
    """After a day the wearer logs in again."""
    browser = await site.logged_in(await site.account())
    site.clock.wait(IDLE_SECONDS - 1)
    assert (await browser.get("/profile")).status == 200
    site.clock.wait(IDLE_SECONDS)
    assert (await browser.get("/profile")).headers["Location"] == "/log-in"


@pytest.mark.parametrize("path", WEARERS_PAGES)
async def test_wearers_pages_ask_strangers_to_log_in(site: Site, path: str) -> None:
    """Without a session there is nothing to see."""
    page = await site.browser().get(path)
    assert page.status == 303
    assert page.headers["Location"].startswith("/log-in")
    assert page.body == ""


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("token", ["", "guess", "another", "%C3%BC"])
async def test_a_form_that_is_not_ours_changes_nothing(site: Site, path: str, token: str) -> None:
    """Without the token, with a guess, with one made for another browser: refused with a page that says what to do."""
    robin, kim = await site.account(), await site.account("kim@example.org")
    browser = await site.logged_in(robin)
    if token == "another":
        token = (await (await site.logged_in(kim)).get("/profile")).form("/log-out")["form_token"]
    body = {"password": PASSWORD, "current": PASSWORD, "home_region": "CA", "code": "WDJB-MJHT"}
    data = "&".join(f"{name}={value.replace(' ', '+')}" for name, value in body.items()) + "&form_token="
    page = await browser.request(
        "POST",
        path,
        data=data + token,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert page.status == 403
    assert page.heading == "This form is out of date"
    assert await site.accounts.get(robin.id) == robin
    assert await site.profile(robin) == Profile()
    assert (await browser.get("/profile")).status == 200


@pytest.mark.parametrize("path", ["/log-in", "/sign-up"])
async def test_log_in_and_sign_up_cannot_be_posted_from_elsewhere(site: Site, path: str) -> None:
    """Nobody can log a wearer in to an account that is not theirs."""
    await site.account()
    fields = {"email": "robin@example.org", "password": PASSWORD, "home_region": "US", "birth_year": "1988"}
    other = (await site.browser().get(path)).form(path)["form_token"]
    for browser in (site.browser(), await _with_cookie(site, path)):
        assert (await browser.post(path, fields)).status == 403
        assert (await browser.post(path, {**fields, "form_token": other})).status == 403


async def _with_cookie(site: Site, path: str) -> Browser:
    browser = site.browser()
    await browser.get(path)
    assert browser.cookies
    return browser


@pytest.mark.parametrize(("came_from", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 303)])
async def test_what_the_browser_says_of_a_forms_origin_counts(site: Site, came_from: str, status: int) -> None:
    """Even a form with the right token is refused where the browser says that it came from elsewhere."""
    browser = await site.logged_in(await site.account())
    form = (await browser.get("/profile")).form("/profile/pause")
    page = await browser.post("/profile/pause", form, headers={"Sec-Fetch-Site": came_from})
    assert page.status == status


@pytest.mark.parametrize("path", FORMS[:-3])
async def test_nothing_is_changed_by_following_a_link(site: Site, path: str) -> None:
    """What changes something is a form, never an address alone."""
    robin = await site.account()
    browser = await site.logged_in(robin)
    page = await browser.get(path)
    assert page.status == (200 if path == "/pair" else 405)
    assert await site.profile(robin) == Profile()


@pytest.mark.parametrize(
    "given",
    [
        "to=https://evil.example",
        "to=//evil.example",
        "to=/\\evil.example",
        "to=pair%0d%0aLocation:%20https://evil.example",
        "code=//evil.example",
        "code=https://evil.example",
        "next=https://evil.example",
    ],
)
async def test_logging_in_leads_to_our_own_pages_only(site: Site, given: str) -> None:
    """Where to go on is chosen by name: an address that is passed in is not believed."""
    await site.account()
    browser = site.browser()
    form = await browser.get(f"/log-in?{given}")
    page = await browser.submit(form, "/log-in", email="robin@example.org", password=PASSWORD)
    assert page.headers["Location"] == "/profile"
    assert (await browser.get(f"/log-in?{given}")).headers["Location"] == "/profile"


async def test_logging_in_goes_on_with_the_code_that_it_came_with(site: Site) -> None:
    """A wearer who followed the address on the glasses is asked about these glasses after logging in."""
    await site.account()
    browser = site.browser()
    redirect = await browser.get("/pair?code=wdjb-mjht")
    assert redirect.headers["Location"] == "/log-in?code=WDJBMJHT"
    form = await browser.follow(redirect)
    page = await browser.submit(form, "/log-in", email="robin@example.org", password=PASSWORD)
    assert page.headers["Location"] == "/pair?code=WDJB-MJHT"
    assert (await site.browser().get("/pair")).headers["Location"] == "/log-in?to=pair"


async def attempts_until_refused(attempt: Browser, email: str, maximum: int = 100) -> int:
    """How often a wrong password can be tried."""
    form = (await attempt.get("/log-in")).form("/log-in")
    for number in range(maximum):
        page = await attempt.post("/log-in", {**form, "email": email, "password": f"wrong password {number}"})
        if page.status == 429:
            return number
        assert page.status == 422
    return maximum


async def test_passwords_of_an_account_cannot_be_guessed(proxied_site: Site) -> None:
    """After ten attempts the account waits, from wherever they came and whether it exists; the page says how long."""
    await proxied_site.account()
    for email in ("robin@example.org", "nobody@example.org"):
        total = 0
        for number in range(3):
            browser = proxied_site.browser(X_Forwarded_For=f"203.0.113.{number}", X_Forwarded_Proto="https")
            total += await attempts_until_refused(browser, email.upper() if number else email)
        assert total == 10
    browser = proxied_site.browser(**HTTPS)
    refused = await browser.log_in("robin@example.org")
    assert refused.status == 429
    assert refused.heading == "Too many attempts"
    wait = int(refused.headers["Retry-After"])
    assert 0 < wait <= 60
    assert f"{wait} seconds" in refused.main.text
    proxied_site.clock.wait(wait)
    assert (await browser.log_in("robin@example.org")).status == 303


async def test_one_address_cannot_try_many_accounts(site: Site) -> None:
    """After thirty attempts the address waits; others go on."""
    total = 0
    for number in range(40):
        total += await attempts_until_refused(site.browser(), f"{number}@example.org", 1)
    assert total == 30


async def test_a_limit_for_one_address_is_not_anothers(proxied_site: Site) -> None:
    """Addresses are told apart by what the trusted proxy says; in IPv6 by the half that its holder cannot choose."""
    await proxied_site.account()

    async def outcome(address: str) -> int:
        browser = proxied_site.browser(X_Forwarded_For=address, X_Forwarded_Proto="https")
        form = (await browser.get("/sign-up")).form("/sign-up")
        return (await browser.post("/sign-up", form)).status

    for number in range(10):
        assert await outcome(f"2001:db8::{number:x}") == 422
    assert await outcome("2001:db8::ffff") == 429
    assert await outcome("2001:db8:0:1::1") == 422
    assert await outcome("203.0.113.1") == 422


async def test_what_a_client_forwards_by_itself_is_not_believed(site: Site) -> None:
    """Without a trusted proxy the headers change neither the address that is counted nor the scheme."""
    form_browser = site.browser()
    form = (await form_browser.get("/sign-up")).form("/sign-up")
    statuses = []
    for number in range(11):
        headers = {"X-Forwarded-For": f"203.0.113.{number}", "X-Forwarded-Proto": "https"}
        page = await form_browser.post("/sign-up", form, headers=headers)
        assert "Strict-Transport-Security" not in page.headers
        statuses.append(page.status)
    assert statuses == [422] * 10 + [429]


@pytest.mark.parametrize(
    ("forwarded", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("198.51.100.1, nonsense, 10.1.2.3", "10.1.2.3"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", "127.0.0.1"),
    ],
)
async def test_the_client_is_the_last_address_that_no_trusted_proxy_has(
    proxied_site: Site, monkeypatch: pytest.MonkeyPatch, forwarded: str, counted: str
) -> None:
    """What stands further left in the header anybody can have written."""
    seen: list[str] = []
    client = Network.client

    def spy(self: Network, request: object) -> str:
        seen.append(client(self, request))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(Network, "client", spy)
    browser = proxied_site.browser(X_Forwarded_For=forwarded, X_Forwarded_Proto="https")
    await browser.post("/oauth/token", {"client_id": "inkling-device"})
    assert seen == [counted]


async def test_nobody_is_served_who_can_be_read_along(proxied_site: Site) -> None:
    """Plain http from another machine is refused, for pages and glasses alike; https and this machine are not."""
    elsewhere = proxied_site.browser(X_Forwarded_For="203.0.113.9", X_Forwarded_Proto="http")
    page = await elsewhere.get("/log-in")
    assert page.status == 403
    assert page.heading == "Not without encryption"
    assert page.set_cookies == []
    answer = await elsewhere.post("/oauth/device_authorization", {"client_id": "inkling-device"})
    assert (answer.status, answer.headers["Content-Type"].split(";")[0]) == (403, "application/json")
    assert (await proxied_site.browser(**HTTPS).get("/log-in")).status == 200
    assert (await proxied_site.browser().get("/log-in")).status == 200


def test_a_proxy_that_is_no_address_is_refused() -> None:
    """The operator is told how to write one."""
    with pytest.raises(StartError, match=r"10\.0\.0\.0/8"):
        Network(["proxy.example"])


async def test_a_form_may_not_be_large(site: Site) -> None:
    """More than any of our forms holds is refused before it is read whole."""
    browser = await site.logged_in(await site.account())
    form = (await browser.get("/account")).form("/account/region")
    page = await browser.post("/account/region", {**form, "home_region": "x" * 20_000})
    assert page.status == 413
    assert page.heading == "This is too much at once"


@pytest.mark.parametrize(
    ("content_type", "data", "status"),
    [
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("application/json", b"{}", 415),
        ("text/plain", b"form_token=x", 415),
        ("application/x-www-form-urlencoded; charset=nonsense", b"form_token=x", 400),
        ("application/x-www-form-urlencoded", b"form_token=\xff\xfe", 400),
    ],
)
async def test_what_is_no_form_is_refused(site: Site, content_type: str, data: bytes, status: int) -> None:
    """With a page that says so."""
    browser = await site.logged_in(await site.account())
    page = await browser.request("POST", "/profile/pause", data=data, headers={"Content-Type": content_type})
    assert page.status == status
    assert page.heading == "This was not understood"


async def test_nonsense_in_the_cookie_is_nobody(site: Site) -> None:
    """Of any length and kind; and a session's hash from the database is no cookie."""
    robin = await site.account()
    session = await site.accounts.sessions.start(robin.id)
    for value in ("x", "x" * 4000, "../../etc", token_hash(session).hex(), session[:-1]):
        browser = site.browser()
        browser.cookies["inkling"] = value
        assert (await browser.get("/profile")).status == 303
        assert (await browser.get("/log-in")).status == 200


class BrokenStore(MemoryStore):
    """A store that cannot be read."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def load(self, account: str) -> tuple[Profile, Revision]:
        raise self._error


@pytest.mark.parametrize(
    ("error", "status", "heading"),
    [
        (StoreUnavailable("the store cannot be read"), 503, "The profiles cannot be reached"),
        (RuntimeError("a fault with robin@example.org in it"), 500, "Something broke on our side"),
    ],
)
async def test_a_fault_is_told_without_its_inside(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
    heading: str,
) -> None:
    """The page says what to do and nothing of the cause; the log says that it happened."""
    browser = await site.logged_in(await site.account())
    broken = BrokenStore(error)
    monkeypatch.setattr(site.store, "load", broken.load)
    with caplog.at_level(logging.ERROR):
        page = await browser.get("/profile")
    assert (page.status, page.heading) == (status, heading)
    assert str(error) not in page.body
    assert "page not served" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status", "heading"),
    [
        ("GET", "/nowhere", 404, "There is no such page"),
        ("GET", "/static/../app.py", 404, "There is no such page"),
        ("GET", "/static/", 403, None),
        ("DELETE", "/profile", 405, "This address is for a form"),
        ("GET", "/log-out", 405, "This address is for a form"),
    ],
)
async def test_errors_are_pages(site: Site, method: str, path: str, status: int, heading: str | None) -> None:
    """Each in the dress of all others."""
    page = await site.browser().request(method, path)
    assert page.status == status
    assert heading in (None, page.heading)
    assert ("Allow" in page.headers) == (status == 405)


async def test_waiting_times_are_whole_seconds(site: Site) -> None:
    """`Retry-After` is rounded up, so that who waits as long is let in."""
    for _ in range(30):
        await attempts_until_refused(site.browser(), f"{_}@example.org", 1)
    page = await site.browser().log_in("robin@example.org")
    wait = int(page.headers["Retry-After"])
    assert wait == math.ceil(10)
    site.clock.wait(wait)
    assert (await site.browser().log_in("robin@example.org")).status == 422
