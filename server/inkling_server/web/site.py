"""What every handler needs, in one place of the application."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from aiohttp import web

from inkling_server.accounts import Accounts
from inkling_server.days import Clock
from inkling_server.policy_book import PolicyBook
from inkling_server.settings import Settings
from inkling_server.stores import ProfileStore
from inkling_server.web.limits import Limits
from inkling_server.web.network import Network
from inkling_server.web.rendering import Renderer


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages are made from."""

    accounts: Accounts
    store: ProfileStore
    policy: PolicyBook
    settings: Settings
    clock: Clock
    limits: Limits
    network: Network
    renderer: Renderer

    @property
    def today(self) -> dt.date:
        """The day in UTC."""
        return self.clock().date()

    @property
    def address(self) -> str:
        """The pages' address as wearers know it, without a slash at its end."""
        scheme = "https" if self.settings.tls_certificate else "http"
        return (self.settings.public_url or f"{scheme}://{self.settings.web_address}").rstrip("/")

    @property
    def grpc_target(self) -> str:
        """HOST:PORT that glasses sync with."""
        return self.settings.grpc_target or self.settings.grpc_address


SITE = web.AppKey("site", Site)
