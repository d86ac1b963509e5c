"""An httpx transport that connects to the very address that was checked."""

from __future__ import annotations

import ssl
from functools import cache

import httpx

from .public_address import Address, Resolver, checked_addresses, resolve

_DEFAULT_PORTS = {"http": 80, "https": 443}
#: A name with hundreds of dead addresses would eat the time of the delivery.
_ADDRESSES_TRIED = 4


class PinnedTransport(httpx.AsyncBaseTransport):
    """Resolves a host once, judges its addresses, and connects to one of those: rebinding cannot pass.

    Host header, TLS server name and certificate check stay those of the name.  It reads no proxy from the
    environment: a proxy would resolve the name again.

    Args:
        allow_private: Also connect to addresses that are not public.
        resolver: Gives the addresses of a host.  Default: the system's.
        tls: Trust anchors.  Default: `SSL_CERT_FILE`, `SSL_CERT_DIR` or certifi's, as httpx has it.
    """

    def __init__(
        self, *, allow_private: bool = False, resolver: Resolver = resolve, tls: ssl.SSLContext | None = None
    ) -> None:
        self._allow_private = allow_private
        self._resolver = resolver
        # No connection is kept: it would be found again by its address, and might be one that was opened,
        # and whose certificate was checked, for another name.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(verify=tls or _default_tls(), limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`, to the host's next address if one does not accept the connection.

        Raises:
            AddressRefused: The host has an address that is not public.
            OSError: The name has no address now.
            httpx.TransportError: As of httpx's own transport.
        """
        host = request.url.raw_host.decode("ascii")
        port = request.url.port or _DEFAULT_PORTS[request.url.scheme]
        addresses = await checked_addresses(
            host, port, allow_private=self._allow_private, resolver=self._resolver
        )
        *others, last = addresses[:_ADDRESSES_TRIED]
        for address in others:
            try:
                return await self._inner.handle_async_request(_pinned(request, host, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(_pinned(request, host, last))

    async def aclose(self) -> None:
        """Close what is still open."""
        await self._inner.aclose()


def _pinned(request: httpx.Request, host: str, address: Address) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host.rstrip(".")},
    )


@cache
def _default_tls() -> ssl.SSLContext:
    # Reading the trust anchors takes some 20 ms of CPU: once per process, not once per job.
    return httpx.create_ssl_context()
