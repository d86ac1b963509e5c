"""One request as it came in: from where, to which host, under which id.

`X-Forwarded-For` and `X-Forwarded-Proto` are believed only from the proxies that the settings list, read from
the end that the nearest of them has written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from monarq.jobs.identity import new_job_id

from .access.scope import Address, Network
from .errors import WrongHost
from .settings import is_loopback

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:/+=-]{1,128}")
#: Where a visit lies in the ASGI scope's `state`.
_PLACE = "monarq_visit"


@dataclass(slots=True, kw_only=True)
class Visit:
    """What is known of a request before anybody looks at what it asks."""

    request_id: str
    #: None if the server told none: then no grant that is limited to networks counts.
    address: Address | None
    scheme: str
    #: As the browser named it, with its port.
    host: str

    @property
    def origin(self) -> str:
        """Ours, as the browser sees it."""
        return f"{self.scheme}://{self.host}"

    @property
    def is_private(self) -> bool:
        """Whether it came without TLS, but over loopback: then cookies need none either."""
        return self.scheme == "http" and is_loopback(urlsplit(self.origin).hostname)


class Door:
    """Makes a visit of a request.

    Args:
        url: Where the dashboard is for browsers; None: wherever it is asked.
        proxies: Whose word counts.
    """

    def __init__(self, url: str | None, proxies: Iterable[Network]) -> None:
        self._url = None if url is None else urlsplit(url)
        self._proxies = tuple(proxies)

    def enter(self, scope: Scope) -> Visit:
        """The visit, which the scope then holds."""
        headers = Headers(scope=scope)
        peer = _address((scope.get("client") or ("",))[0])
        asked: str = scope["scheme"]
        address, scheme = peer, {"ws": "http", "wss": "https"}.get(asked, asked)
        if self._is_proxy(peer):
            address = self._forwarded_for(headers, peer)
            scheme = "https" if (headers.get("x-forwarded-proto") or scheme).strip() == "https" else "http"
        if self._url is not None:
            scheme = self._url.scheme
        told = headers.get("x-request-id", "")
        visit = Visit(
            request_id=told if _REQUEST_ID.fullmatch(told) else new_job_id(),
            address=address,
            scheme=scheme,
            host=headers.get("host", ""),
        )
        scope.setdefault("state", {})[_PLACE] = visit
        return visit

    def check_host(self, visit: Visit) -> None:
        """Refuse what is meant for another host: a name that somebody else has pointed at us.

        Raises:
            WrongHost: It is.
        """
        if self._url is None:
            return
        try:
            asked = urlsplit(visit.origin)
            same_port = _port(asked.port, visit.scheme) == _port(self._url.port, self._url.scheme)
        except ValueError:
            raise WrongHost from None
        both_loopback = is_loopback(self._url.hostname) and is_loopback(asked.hostname)
        if not same_port or not (asked.hostname == self._url.hostname or both_loopback):
            raise WrongHost

    def _forwarded_for(self, headers: Headers, peer: Address | None) -> Address | None:
        hops = [hop.strip() for line in headers.getlist("x-forwarded-for") for hop in line.split(",")]
        address = peer
        for hop in reversed(hops):
            address = _address(hop)
            if not self._is_proxy(address):
                break
        return address

    def _is_proxy(self, address: Address | None) -> bool:
        return address is not None and any(address in proxy for proxy in self._proxies)


def visit_of(scope: Scope) -> Visit:
    """The visit of this request."""
    visit: Visit = scope["state"][_PLACE]
    return visit


def route_of(scope: Scope) -> str:
    """The template of the address that was asked for; `none` if there is nothing at it."""
    return str(getattr(scope.get("route"), "path_format", "none"))


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _port(port: int | None, scheme: str) -> int:
    return port or (443 if scheme == "https" else 80)
