"""A wearer at a browser: signs up, logs in, and lets the glasses in, by the server's own forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from inkling_emulator.errors import WearerError

_TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True, slots=True)
class Login:
    """What a wearer knows by heart."""

    email: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a page."""

    action: str
    fields: set[str]
    """The names of all fields."""
    values: dict[str, str] = field(repr=False)
    """What is sent for the fields that nobody touches."""


class Wearer:
    """One wearer with a browser of their own. An asynchronous context."""

    def __init__(self, server: str, login: Login, *, address: str | None = None) -> None:
        """`server` is the web address; the browser calls from the local `address`, where one is given."""
        self._server = URL(server)
        self._login = login
        self._address = (address, 0) if address else None
        self._browser: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._browser = aiohttp.ClientSession(
            timeout=_TIMEOUT,
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # cookies of IP addresses, too
            connector=aiohttp.TCPConnector(local_addr=self._address),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._browser.close()

    async def sign_up(self, *, home_region: str, birth_year: int) -> None:
        """Makes the account, which logs in as well. Raises `WearerError`."""
        form = await self._form("/sign-up", {"email", "password", "home_region", "birth_year"})
        answers = {"home_region": home_region, "birth_year": str(birth_year)}
        await self._submit(form, {"email": self._login.email, "password": self._login.password, **answers})

    def forget_session(self) -> None:
        """Throws the browser's cookies away."""
        self._browser.cookie_jar.clear()

    async def log_in(self) -> None:
        """Logs in to the account. Raises `WearerError`."""
        form = await self._form("/log-in", {"email", "password"})
        await self._submit(form, {"email": self._login.email, "password": self._login.password})

    async def let_in(self, user_code: str, name: str) -> None:
        """Approves the glasses that show `user_code` and calls them `name`. Raises `WearerError`."""
        form = await self._form(f"/pair?code={user_code}", {"code", "held", "name"})
        await self._submit(form, {"held": "yes", "name": name, "decision": "approve"})

    async def _form(self, path: str, fields: set[str]) -> Form:
        page = await self._call("GET", path)
        for form in forms(page):
            if fields <= form.fields:
                return form
        raise WearerError(f"{self._server}{path} has no form with {', '.join(sorted(fields))}")

    async def _submit(self, form: Form, answers: Mapping[str, str]) -> None:
        await self._call("POST", form.action, data={**form.values, **answers})

    async def _call(self, method: str, path: str, data: Mapping[str, str] | None = None) -> str:
        address = self._server.join(URL(path, encoded=True))
        try:
            async with self._browser.request(method, address, data=data) as response:
                if response.status != 200:
                    raise WearerError(f"{method} {address.path} was answered with HTTP {response.status}")
                return await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise WearerError(f"{address} cannot be reached: {type(error).__name__}") from error


def forms(page: str) -> list[Form]:
    """The forms of an HTML page that are posted."""
    reader = _FormReader()
    reader.feed(page)
    return reader.forms


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        name = attributes.get("name")
        if tag == "form":
            self._form = None
            if attributes.get("method", "").lower() == "post":
                self._form = Form(attributes.get("action", ""), set(), {})
                self.forms.append(self._form)
        elif self._form is not None and tag in {"input", "select"} and name:
            self._form.fields.add(name)
            if attributes.get("type") != "checkbox" or "checked" in attributes:
                self._form.values[name] = attributes.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
