"""What is between one pair of glasses and the server, and the wearer at the server's pages."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from inkling_device.clock import SystemClock
from inkling_device.credentials import Credentials, CredentialStore
from inkling_device.oauth import DeviceCode, OAuthClient
from inkling_device.pairing import pair
from inkling_device.testing import FakeServer
from inkling_device.transport import Transport
from inkling_emulator.clock import QuickClock
from inkling_emulator.errors import ServerError, WearerError
from inkling_emulator.network import Network, network
from inkling_emulator.wearer import Login, Wearer, forms

LOGIN = Login("anna@example.com", "four words in a row")


class TestNetwork:
    """The gateway and the two proxies."""

    @pytest.fixture
    async def server(self) -> AsyncIterator[FakeServer]:
        async with FakeServer(lambda: dt.datetime.now(dt.UTC)) as running:
            yield running

    @pytest.fixture
    async def between(self, server: FakeServer) -> AsyncIterator[Network]:
        async with network(server.web_address, keep=True) as between:
            yield between

    async def test_pairing_leads_to_the_proxy(self, server: FakeServer, between: Network, tmp_path: Path) -> None:
        """The glasses are told the proxy's address, now and at every refresh; the rest is as the server said."""
        held = await paired(server, between, tmp_path)
        assert held.server == between.server
        assert held.grpc_target != server.grpc_target
        refreshed = await OAuthClient(between.server, Transport(insecure=True), SystemClock()).refresh(
            held.refresh_token
        )
        assert refreshed.grpc_target == held.grpc_target
        assert held.access_token.encode() in between.pairing.received
        assert between.sync.total_bytes == 0

    async def test_sync_passes_the_proxy(self, server: FakeServer, between: Network, tmp_path: Path) -> None:
        """What connects to the address that the glasses were told reaches the server and is counted."""
        held = await paired(server, between, tmp_path)
        async with Transport(insecure=True).channel(held.grpc_target) as channel:
            await asyncio.wait_for(channel.channel_ready(), 10)
        assert between.sync.sent.startswith(b"PRI * HTTP/2.0")

    async def test_everything_goes_down_together(self, server: FakeServer, between: Network, tmp_path: Path) -> None:
        """Pages and sync, also a proxy that is only made while the network is down; and comes back."""
        held = await paired(server, between, tmp_path)
        await between.down()
        assert not await answers(between.server.removeprefix("http://"))
        assert not await answers(held.grpc_target)
        between.up()
        async with aiohttp.ClientSession() as browser, browser.post(f"{between.server}/oauth/token") as answer:
            assert answer.status == 400
        assert await answers(held.grpc_target)

    async def test_a_server_that_is_away_is_a_bad_gateway(self) -> None:
        """The glasses take that for what it is: try again."""
        async with (
            network("http://127.0.0.1:9", keep=False) as between,
            aiohttp.ClientSession() as browser,
            browser.post(f"{between.server}/oauth/token") as answer,
        ):
            assert answer.status == 502

    @pytest.mark.parametrize("address", ["https://inkling.example", "127.0.0.1:80", "", "http://"])
    async def test_only_a_server_without_tls_can_be_read_along(self, address: str) -> None:
        """The message says which address is needed."""
        with pytest.raises(ServerError, match="http://HOST:PORT"):
            async with network(address, keep=False):
                pass


class TestWearer:
    """Forms are filled in as a browser does: with every value that stands in them."""

    @pytest.fixture
    async def site(self) -> AsyncIterator[tuple[str, list[dict[str, str]]]]:
        """A site whose form carries a secret; gives its address and what was posted."""
        posted: list[dict[str, str]] = []

        async def page(request: web.Request) -> web.Response:
            form = (
                '<form method="get"><input name="email"><input name="password"></form>'
                '<form method="post" action="/there"><input type="hidden" name="proof" value="a&amp;b">'
                '<input name="email"><input name="password" type="password">'
                '<input type="checkbox" name="news" value="y"></form>'
            )
            return web.Response(text=form, content_type="text/html")

        async def post(request: web.Request) -> web.Response:
            form = await request.post()
            posted.append({name: str(value) for name, value in form.items()})
            return web.Response(status=200 if form["proof"] == "a&b" else 403)

        application = web.Application()
        application.router.add_get("/log-in", page)
        application.router.add_post("/there", post)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", posted
        await runner.cleanup()

    async def test_logging_in_posts_the_form_as_it_stands(self, site: tuple[str, list[dict[str, str]]]) -> None:
        """Its hidden field among the values, the unticked box not."""
        address, posted = site
        async with Wearer(address, LOGIN) as wearer:
            await wearer.log_in()
        assert posted == [{"proof": "a&b", "email": LOGIN.email, "password": LOGIN.password}]

    async def test_a_page_that_is_not_there_is_an_error(self, site: tuple[str, list[dict[str, str]]]) -> None:
        """It names the page and never the password."""
        address, _ = site
        async with Wearer(address, LOGIN) as wearer:
            with pytest.raises(WearerError, match="/sign-up was answered with HTTP 404"):
                await wearer.sign_up(home_region="US", birth_year=1990)

    async def test_a_server_that_is_not_there_is_an_error(self) -> None:
        """Which says what cannot be reached."""
        async with Wearer("http://127.0.0.1:9", LOGIN) as wearer:
            with pytest.raises(WearerError, match=r"http://127\.0\.0\.1:9/log-in cannot be reached"):
                await wearer.log_in()

    def test_only_forms_that_are_posted_count(self) -> None:
        """A search form has the same fields now and then; nested and unnamed fields do no harm."""
        page = '<input name="a"><form method="POST" action="/x"><select name="b"></select><input></form><form></form>'
        (form,) = forms(page)
        assert (form.action, form.fields, form.values) == ("/x", {"b"}, {"b": ""})


async def paired(server: FakeServer, between: Network, directory: Path) -> Credentials:
    async def show(code: DeviceCode) -> None:
        server.approved.add(code.user_code)

    clock = QuickClock(1000)
    oauth = OAuthClient(between.server, Transport(insecure=True), clock)
    return await pair(oauth, CredentialStore(directory), clock, show)


async def answers(address: str) -> bool:
    """Whether a connection to HOST:PORT stays open when something is said on it."""
    host, _, port = address.rpartition(":")
    with contextlib.suppress(ConnectionError):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            async with asyncio.timeout(0.5):
                return await reader.read(1) != b""
        except TimeoutError:
            return True
        finally:
            writer.close()
    return False
