"""The composition root: builds store, accounts, services and pages, and owns their lifetimes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, replace

import grpc
from aiohttp import web

from inkling_server.accounts import Accounts
from inkling_server.days import Clock, utc_now
from inkling_server.errors import InklingError, StartError, StoreUnavailable
from inkling_server.files import make_directory, replace_file
from inkling_server.forgetting import forget_old
from inkling_server.policy_book import PolicyBook
from inkling_server.rate_limit import RateLimit
from inkling_server.services.profiles import ProfileService
from inkling_server.services.serving import GrpcServer
from inkling_server.services.sync import Load, SyncService
from inkling_server.settings import Settings, split_address
from inkling_server.stores import ProfileStore, open_store
from inkling_server.web import app as pages

_log = logging.getLogger(__name__)

_CHECK_SECONDS = 60.0
"""How often the policy book is looked into for a policy signed meanwhile, or one to renew, and whether a week is past
its maximum age."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running server answers."""

    grpc: str
    """HOST:PORT of the gRPC services."""
    web: str
    """Address of the pages."""


@contextlib.asynccontextmanager
async def running(settings: Settings, clock: Clock = utc_now) -> AsyncIterator[Addresses]:
    """A server that answers for as long as the context is entered. Raises `StartError` where it cannot start."""
    make_directory(settings.data_dir)
    tls = _read_tls(settings)
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings.store_url))
        policy = PolicyBook.open(settings.data_dir, clock())
        accounts = await stack.enter_async_context(await Accounts.open(settings.accounts_path, clock=clock))
        page_socket = stack.enter_context(_bound(settings.web_address))
        server = _grpc_server(settings, store, accounts, policy, tls, clock)
        settings = replace(
            settings,
            grpc_address=_with_port(settings.grpc_address, server.port),
            web_address=_with_port(settings.web_address, page_socket.getsockname()[1]),
        )
        application = pages.build(
            accounts=accounts,
            store=store,
            policy=policy,
            settings=settings,
            clock=clock,
            trusted_proxies=[proxy.strip() for proxy in settings.trusted_proxies.split(",") if proxy.strip()],
            allow_plain_http=settings.allow_plain_http,
        )
        await stack.enter_async_context(_serving_pages(application, page_socket, tls))
        await stack.enter_async_context(server.serving())
        await stack.enter_async_context(_beside(_keep_policy(policy, clock)))
        await stack.enter_async_context(_beside(_forget(store, accounts, policy, clock)))
        yield Addresses(settings.grpc_address, f"http{'s' if tls else ''}://{settings.web_address}")


async def serve(settings: Settings) -> None:
    """Runs a server until SIGTERM or SIGINT, after which it answers what is under way and stops."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(settings) as addresses:
        if settings.ports_file is not None:
            replace_file(settings.ports_file, json.dumps({"grpc": addresses.grpc, "web": addresses.web}).encode())
        print(f"inkling-server: gRPC on {addresses.grpc}, pages on {addresses.web}", flush=True)  # noqa: T201
        await stop.wait()
        _log.info("stopping")


def _grpc_server(
    settings: Settings, store: ProfileStore, accounts: Accounts, policy: PolicyBook, tls: _Tls | None, clock: Clock
) -> GrpcServer:
    sync = SyncService(
        store=store,
        authenticator=accounts,
        policy=policy,
        rate_limit=RateLimit(settings.pushes_per_second, settings.push_burst),
        load=Load(settings.busy_pushes, settings.maximum_pushes),
        clock=clock,
    )
    profiles = ProfileService(
        store=store, authenticator=accounts, policy=policy, provider_name=settings.provider_name, clock=clock
    )
    return GrpcServer(settings.grpc_address, sync, profiles, tls.credentials if tls else None)


@contextlib.asynccontextmanager
async def _serving_pages(application: web.Application, sock: socket.socket, tls: _Tls | None) -> AsyncIterator[None]:
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, sock, ssl_context=tls.context if tls else None).start()
        yield
    finally:
        await runner.cleanup()


async def _keep_policy(policy: PolicyBook, clock: Clock) -> None:
    while True:
        await asyncio.sleep(_CHECK_SECONDS)
        try:
            policy.refresh(clock())
        except (InklingError, OSError) as error:
            _log.error("policy not refreshed, the one in force stays error=%s", error)


async def _forget(store: ProfileStore, accounts: Accounts, policy: PolicyBook, clock: Clock) -> None:
    """Goes through the profiles at the start, and whenever one more week is past the policy's maximum age."""
    done = None
    while True:
        oldest_week = policy.policy.oldest_week(clock())
        if oldest_week != done:
            try:
                await forget_old(store, await accounts.ids(), oldest_week)
                done = oldest_week
            except StoreUnavailable as error:
                _log.error("old weeks not forgotten, to be tried again error=%s", error)
        await asyncio.sleep(_CHECK_SECONDS)


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@dataclass(frozen=True, slots=True)
class _Tls:
    credentials: grpc.ServerCredentials
    context: ssl.SSLContext


def _read_tls(settings: Settings) -> _Tls | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
        pair = (settings.tls_key.read_bytes(), settings.tls_certificate.read_bytes())
    except (OSError, ssl.SSLError) as error:
        raise StartError(
            f"{settings.tls_certificate} and {settings.tls_key} are not a PEM certificate and its key: {error}"
        ) from error
    return _Tls(grpc.ssl_server_credentials([pair]), context)


def _bound(address: str) -> socket.socket:
    host, port = split_address(address)
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise StartError(
            f"{address} cannot be listened on ({error.strerror}): name another with --web-address"
        ) from error


def _with_port(address: str, port: int) -> str:
    return f"{address.rpartition(':')[0]}:{port}"
