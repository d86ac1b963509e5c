"""Which addresses a job may connect to when a stranger chose the host.

A name says nothing: `localtest.me` is 127.0.0.1, and a name server may answer differently each time.  So a
host is resolved once, every address it has is judged here, and the caller connects to one of those addresses,
never to the name again.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from ..errors import MonarqError

Address = IPv4Address | IPv6Address
#: Gives the addresses of a host, as text.
Resolver = Callable[[str, int], Awaitable[list[str]]]

# Own tables, since `ipaddress.is_global` changed its mind between the Python versions that are supported.
_CLOSED_IPV4 = {
    IPv4Network("0.0.0.0/8"): "this network",
    IPv4Network("10.0.0.0/8"): "private",
    IPv4Network("100.64.0.0/10"): "carrier-grade NAT",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv4Network("168.63.129.16/32"): "the Azure host",
    IPv4Network("169.254.0.0/16"): "link-local",
    IPv4Network("172.16.0.0/12"): "private",
    IPv4Network("192.0.0.0/24"): "protocol assignments",
    IPv4Network("192.0.2.0/24"): "documentation",
    IPv4Network("192.88.99.0/24"): "6to4 relay",
    IPv4Network("192.168.0.0/16"): "private",
    IPv4Network("198.18.0.0/15"): "benchmarking",
    IPv4Network("198.51.100.0/24"): "documentation",
    IPv4Network("203.0.113.0/24"): "documentation",
    IPv4Network("224.0.0.0/4"): "multicast",
    IPv4Network("240.0.0.0/4"): "reserved",
}
_OPEN_IPV6 = IPv6Network("2000::/3")
_CLOSED_IPV6 = {
    IPv6Network("2001::/32"): "Teredo",
    IPv6Network("2001::/23"): "protocol assignments",
    IPv6Network("2001:db8::/32"): "documentation",
    IPv6Network("2002::/16"): "6to4",
    IPv6Network("3fff::/20"): "documentation",
}
# Networks without IPv4 reach it through this prefix (DNS64), so a public address inside it is public.
_NAT64 = IPv6Network("64:ff9b::/96")


class AddressRefused(MonarqError):
    """The host has an address that is not public."""

    code = "address_refused"


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system's resolver, in a thread.

    Raises:
        OSError: The name has no address now.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host} is no name that can be looked up") from error
    return [str(sockaddr[0]) for *_, sockaddr in found]


async def checked_addresses(
    host: str, port: int, *, allow_private: bool = False, resolver: Resolver = resolve
) -> list[Address]:
    """Resolve `host` once and return its addresses, all of them judged.

    One address that is not public refuses the host: a public one beside it is how a rebinding answer looks.

    Raises:
        AddressRefused: As said, unless `allow_private`.
        OSError: The name has no address now.
    """
    addresses = [ip_address(text) for text in dict.fromkeys(await resolver(host, port))]
    if not addresses:
        raise OSError(f"{host} has no address")
    for address in addresses:
        reason = None if allow_private else closed_because(address)
        if reason is not None:
            # Without the address: who may enqueue is not always one who may know the private network.
            raise AddressRefused(f"{host} is at an address that is not public ({reason})")
    return addresses


def closed_because(address: Address) -> str | None:
    """Why `address` is not one of the public internet; None when it is.

    IPv4 inside IPv6 (mapped, NAT64) is judged by the IPv4 address; other IPv6 is closed unless it is global
    unicast.
    """
    embedded = _embedded_ipv4(address)
    if embedded is not None:
        return next((why for network, why in _CLOSED_IPV4.items() if embedded in network), None)
    if address not in _OPEN_IPV6:
        return "not global unicast"
    return next((why for network, why in _CLOSED_IPV6.items() if address in network), None)


def is_ambiguous_ipv4(host: str) -> bool:
    """True for `127.1`, `2130706433`, `0x7f.0.0.1`, `0177.0.0.1`: addresses to some resolvers only."""
    last = host.rstrip(".").rpartition(".")[2]
    if not (last.isdigit() or last.lower().startswith("0x")):
        return False
    try:
        IPv4Address(host)
    except AddressValueError:
        return True
    return False


def _embedded_ipv4(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped
