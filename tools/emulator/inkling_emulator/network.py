"""All that one pair of glasses has of the network: two proxies, for pages and for gRPC, that go down together.

Glasses learn from the server where to sync, so something has to tell them the proxy's address in place of the
server's. That is the gateway: it stands behind the web proxy, passes the pairing calls on, and changes that one word.
What the web proxy records is therefore what the glasses said and heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web
from yarl import URL

from inkling_emulator.errors import ServerError
from inkling_emulator.proxy import Proxy, Traffic

_PASSED_ON = ("/oauth/device_authorization", "/oauth/token", "/oauth/revoke")
_TIMEOUT = aiohttp.ClientTimeout(total=20)


class Network:
    """The network of one pair of glasses; open it with `network`."""

    def __init__(self, server: str, *, keep: bool, address: str | None) -> None:
        self._server = URL(server)
        self._address = address
        self.pairing = Traffic(keep)
        """What passed for pairing and tokens."""
        self.sync = Traffic(keep)
        """What passed for sync."""
        self._web: Proxy | None = None
        self._grpc: Proxy | None = None
        self._grpc_target = ""
        self._down = False

    @property
    def server(self) -> str:
        """The server's web address as the glasses know it."""
        assert self._web is not None
        return f"http://{self._web.address}"

    async def down(self) -> None:
        """Both connections break."""
        self._down = True
        for proxy in self._proxies():
            await proxy.cut()

    def up(self) -> None:
        """Both work again."""
        self._down = False
        for proxy in self._proxies():
            proxy.restore()

    async def start(self, browser: aiohttp.ClientSession, stack: contextlib.AsyncExitStack) -> None:
        """Makes the gateway and the proxy before it; the other proxy is made when its target is known."""

        async def pass_on(request: web.Request) -> web.Response:
            return await self._pass_on(request, browser)

        application = web.Application()
        for path in _PASSED_ON:
            application.router.add_post(path, pass_on)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self._web = Proxy(host, port, self.pairing)
        await self._web.start()
        stack.push_async_callback(self._close)

    async def _pass_on(self, request: web.Request, browser: aiohttp.ClientSession) -> web.Response:
        body = await request.read()
        try:
            headers = {"Content-Type": request.headers.get("Content-Type", "")}
            async with browser.post(self._server.join(URL(request.path)), data=body, headers=headers) as answer:
                content = await answer.read()
                status, kept = answer.status, {n: v for n, v in answer.headers.items() if n == "Retry-After"}
        except (aiohttp.ClientError, TimeoutError):
            return web.Response(status=502)
        content = await self._with_own_target(content)
        return web.Response(body=content, status=status, headers=kept, content_type="application/json")

    async def _with_own_target(self, content: bytes) -> bytes:
        try:
            answer = json.loads(content)
        except ValueError:
            return content
        if not isinstance(answer, dict) or "grpc_target" not in answer:
            return content
        answer["grpc_target"] = await self._proxy_to(str(answer["grpc_target"]))
        return json.dumps(answer).encode()

    async def _proxy_to(self, target: str) -> str:
        """The address of the proxy before `target`."""
        if self._grpc is None or self._grpc_target != target:
            if self._grpc is not None:
                await self._grpc.close()
            host, _, port = target.rpartition(":")
            self._grpc = Proxy(host.strip("[]"), int(port), self.sync, source=self._address)
            self._grpc_target = target
            await self._grpc.start()
            if self._down:
                await self._grpc.cut()
        return self._grpc.address

    def _proxies(self) -> list[Proxy]:
        return [proxy for proxy in (self._web, self._grpc) if proxy is not None]

    async def _close(self) -> None:
        await asyncio.gather(*(proxy.close() for proxy in self._proxies()))


@contextlib.asynccontextmanager
async def network(server: str, *, keep: bool, address: str | None = None) -> AsyncIterator[Network]:
    """A network to the server at the web address `server`. Raises `ServerError` for one that is not plain HTTP.

    `keep` keeps the bytes that pass, instead of only counting them. The server is called from the local `address`.
    """
    if URL(server).scheme != "http" or not URL(server).host:
        raise ServerError(f"the emulator reads along, so it needs a server without TLS: http://HOST:PORT, not {server}")
    made = Network(server, keep=keep, address=address)
    async with contextlib.AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(local_addr=(address, 0) if address else None)
        browser = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT))
        await made.start(browser, stack)
        yield made
