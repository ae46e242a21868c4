"""Where a request comes from, and whether its way here is safe to carry a password."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from aiohttp import web

from inkling_server.errors import StartError

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_IPV6_SITE = 64
"""Bits of an IPv6 address that its holder cannot change at will: limits count by them."""


class Network:
    """What is believed about the way of a request.

    `X-Forwarded-For` and `X-Forwarded-Proto` are believed where the peer is a trusted proxy, and nowhere else.
    `X-Forwarded-Host` never is: addresses are made from the public one that the operator has set.
    """

    def __init__(self, trusted_proxies: Iterable[str] = (), *, allow_plain_http: bool = False) -> None:
        """`trusted_proxies` are addresses or networks, such as `10.0.0.0/8`. Raises `StartError` for anything else.

        `allow_plain_http` serves pages unencrypted to other machines, for closed test networks.
        """
        try:
            self._trusted: list[_Network] = [ipaddress.ip_network(proxy) for proxy in trusted_proxies]
        except ValueError as error:
            raise StartError(f"a trusted proxy is written as 10.1.2.3 or 10.0.0.0/8: {error}") from None
        self._allow_plain_http = allow_plain_http

    def client(self, request: web.BaseRequest) -> str:
        """The client's address as limits count it; empty where it comes through a Unix socket."""
        address = self._client(request)
        if isinstance(address, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((address, _IPV6_SITE), strict=False))
        return str(address or "")

    def is_https(self, request: web.BaseRequest) -> bool:
        """Whether the client speaks https, to this server or to a proxy that is trusted."""
        if request.secure:
            return True
        forwarded = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
        return forwarded == "https" and self._is_trusted(_address(request.remote))

    def is_safe(self, request: web.BaseRequest) -> bool:
        """Whether nobody on the way can read along: https, or not leaving the machine."""
        if self._allow_plain_http or self.is_https(request):
            return True
        address = self._client(request)
        return address is None or address.is_loopback

    def _client(self, request: web.BaseRequest) -> _Address | None:
        """The last address on the way that is not a trusted proxy's."""
        address = _address(request.remote)
        hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        while hops and self._is_trusted(address):
            hop = _address(hops.pop().strip())
            if hop is None:
                break
            address = hop
        return address

    def _is_trusted(self, address: _Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _address(text: str | None) -> _Address | None:
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
