"""What the tests of the pages share: a site with a clock that can be moved, and browsers that look at it."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import aiohttp
import pytest
from aiohttp.test_utils import BaseTestServer, TestServer
from argon2 import Parameters, Type

from inkling_server.accounts import Account, Accounts
from inkling_server.days import day_number
from inkling_server.pairings import Tokens
from inkling_server.passwords import Passwords
from inkling_server.policy_book import PolicyBook
from inkling_server.profile import Batch, Profile, merge
from inkling_server.settings import Settings
from inkling_server.stores import ProfileStore
from inkling_server.stores.memory import MemoryStore
from inkling_server.web.app import build

PASSWORD = "seven quiet herons"
CHEAP = Parameters(type=Type.ID, version=19, salt_len=16, hash_len=32, time_cost=1, memory_cost=8, parallelism=1)

_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())  # noqa: SIM905


class Clock:
    """A clock that stands until it is moved; also as seconds, for limits."""

    def __init__(self) -> None:
        self.now = dt.datetime(2026, 3, 5, 12, 0, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def wait(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@dataclass
class Element:
    """An element of a page."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None = field(default=None, repr=False)
    children: list[Element | str] = field(default_factory=list, repr=False)

    @property
    def text(self) -> str:
        """Its text, spaces made one."""
        parts = [child if isinstance(child, str) else child.text for child in self.children]
        return " ".join("".join(f" {part} " for part in parts).split())

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """The elements inside, of a tag and with attributes of these values (`for_` and `class_` as in Python)."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        found = []
        for child in self.children:
            if isinstance(child, Element):
                if child.tag == (tag or child.tag) and wanted.items() <= child.attributes.items():
                    found.append(child)
                found.extend(child.all(tag, **attributes))
        return found

    def one(self, tag: str = "", **attributes: str) -> Element:
        """The only such element."""
        (found,) = self.all(tag, **attributes)
        return found


class _Builder(HTMLParser):
    """Builds a tree, and notes where a page is not well formed."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Element("#root", {})
        self.problems: list[str] = []
        self._at = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.problems.append(f"<{tag}> has an attribute twice")
        element = Element(tag, {name: value or "" for name, value in attrs}, self._at)
        self._at.children.append(element)
        if tag not in _VOID:
            self._at = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != self._at.tag:
            self.problems.append(f"</{tag}> closes <{self._at.tag}>")
        elif self._at.parent is not None:
            self._at = self._at.parent

    def handle_data(self, data: str) -> None:
        self._at.children.append(data)

    def close(self) -> None:
        super().close()
        if self._at is not self.root:
            self.problems.append(f"<{self._at.tag}> is not closed")


class Page:
    """An answer of the site."""

    def __init__(
        self, status: int, headers: Mapping[str, str], set_cookies: Sequence[str], path: str, body: str
    ) -> None:
        self.status = status
        self.headers = headers
        self.set_cookies = set_cookies
        self.path = path
        self.body = body
        builder = _Builder()
        builder.feed(body)
        builder.close()
        self.root = builder.root
        self.problems = builder.problems

    @property
    def main(self) -> Element:
        """What the page is about."""
        return self.root.one("main")

    @property
    def heading(self) -> str:
        """The page's first heading."""
        return self.root.one("h1").text

    def form(self, action: str) -> dict[str, str]:
        """What a form would post as it stands, its buttons apart; the first one with this action."""
        form = next(form for form in self.root.all("form") if form.attributes.get("action", self.path) == action)
        return {
            field.attributes["name"]: field.attributes.get("value", "")
            for field in form.all("input")
            if field.attributes.get("type") != "checkbox"
        }


class Browser:
    """Keeps cookies, sends forms as they stand on the pages, and follows no redirect unasked."""

    def __init__(self, session: aiohttp.ClientSession, address: str, headers: Mapping[str, str]) -> None:
        self.cookies: dict[str, str] = {}
        self._session = session
        self._address = address
        self._headers = dict(headers)

    async def request(self, method: str, path: str, **options: object) -> Page:
        """One request."""
        given = options.pop("headers", {})
        assert isinstance(given, dict)
        headers = {**self._headers, **given}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with self._session.request(
            method,
            urljoin(self._address, path),
            headers=headers,
            allow_redirects=False,
            **options,  # type: ignore[arg-type]
        ) as response:
            set_cookies = response.headers.getall("Set-Cookie", [])
            for line in set_cookies:
                for name, morsel in SimpleCookie(line).items():
                    if morsel["max-age"] == "0":
                        self.cookies.pop(name, None)
                    else:
                        self.cookies[name] = morsel.value
            return Page(
                response.status, dict(response.headers), set_cookies, urlsplit(path).path, await response.text()
            )

    async def get(self, path: str, **options: object) -> Page:
        """A page."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, form: Mapping[str, str], **options: object) -> Page:
        """Posts just this form."""
        return await self.request("POST", path, data=dict(form), **options)

    async def submit(self, page: Page, action: str, **fields: str) -> Page:
        """Fills in a form of a page and sends it."""
        return await self.post(action, {**page.form(action), **fields})

    async def follow(self, page: Page) -> Page:
        """The page that a redirect leads to."""
        assert page.status == 303, f"{page.status}: {page.body}"
        return await self.get(page.headers["Location"])

    async def log_in(self, email: str, password: str = PASSWORD) -> Page:
        """Logs in as its wearer would."""
        return await self.submit(await self.get("/log-in"), "/log-in", email=email, password=password)


@dataclass
class Site:
    """A site that runs."""

    accounts: Accounts
    store: ProfileStore
    policy: PolicyBook
    clock: Clock
    server: BaseTestServer
    session: aiohttp.ClientSession

    def browser(self, **headers: str) -> Browser:
        """A new browser; `X_Forwarded_For="..."` and the like are sent with each of its requests."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Browser(self.session, str(self.server.make_url("/")), named)

    async def account(
        self, email: str = "robin@example.org", home_region: str = "US", birth_year: int = 1988
    ) -> Account:
        """A new account, under `PASSWORD`."""
        return await self.accounts.create(email, PASSWORD, home_region, birth_year)

    async def logged_in(self, account: Account, **headers: str) -> Browser:
        """A browser that is logged in."""
        browser = self.browser(**headers)
        assert (await browser.log_in(account.email)).status == 303
        return browser

    async def pair(self, account: Account, name: str = "Everyday glasses") -> Tokens:
        """Pairs glasses."""
        grant = await self.accounts.pairings.begin()
        assert await self.accounts.pairings.approve(grant.user_code, account.id, name)
        return await self.accounts.pairings.redeem(grant.device_code)

    async def bring(self, account: Account, pairing: str, *events: tuple[int, int, int], days_ago: int = 0) -> None:
        """Merges events of (topic, source, how often) as glasses would."""
        day = day_number(self.clock().date()) - days_ago
        held, revision = await self.store.load(account.id)
        listed = tuple((topic, day, source, 90) for topic, source, count in events for _ in range(count))
        batch = Batch(held.last_sequence(pairing) + 1, listed)
        merged, _ = merge(held, pairing, batch, policy=self.policy.policy, today=self.clock().date())
        await self.store.save(account.id, merged, expected=revision)

    async def profile(self, account: Account) -> Profile:
        """What the store holds."""
        return (await self.store.load(account.id))[0]


async def _site(tmp_path: Path, trusted_proxies: Sequence[str]) -> AsyncIterator[Site]:
    clock = Clock()
    policy = PolicyBook.open(tmp_path, clock())
    async with (
        await Accounts.open(tmp_path / "accounts.db", clock=clock, passwords=Passwords(CHEAP)) as accounts,
        MemoryStore() as store,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        application = build(
            accounts=accounts,
            store=store,
            policy=policy,
            settings=Settings(data_dir=tmp_path, public_url="https://inkling.example/", grpc_target="sync.example:443"),
            clock=clock,
            trusted_proxies=trusted_proxies,
            monotonic=clock.seconds,
        )
        async with TestServer(application) as server:
            yield Site(accounts, store, policy, clock, server, session)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site on plain http, as on one's own machine."""
    async for made in _site(tmp_path, ()):
        yield made


@pytest.fixture
async def proxied_site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site behind a proxy on this machine and another at 10.0.0.0/8, both trusted."""
    async for made in _site(tmp_path, ("127.0.0.0/8", "10.0.0.0/8")):
        yield made
