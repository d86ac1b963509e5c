"""One delivery of a webhook: a signed POST, and what its answer means for the job."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from ..control import Discard, Retry
from ..errors import ConfigError, MonarqError
from .excerpt import excerpt
from .pinned_transport import PinnedTransport
from .public_address import AddressRefused, Resolver, resolve
from .retry_after import retry_after
from .settings import CatalogSettings
from .webhook_signature import JOB_ID_HEADER, SIGNATURE_HEADER, header_form, sign

#: Answers below 500 that may differ next time: timeout, too early, too many requests.
_PASSING = frozenset({408, 425, 429})
_MAY_NAME_A_TIME = frozenset({429, 503})


class DeliveryFailed(MonarqError):
    """The receiver could not be reached or could not handle the request; worth another attempt."""

    code = "delivery_failed"


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What the receiver said to a delivery that it accepted."""

    #: HTTP status, 200 to 299.
    status: int
    #: The start of the response body, in one line.
    response: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What one delivery may take; together less than the job's timeout.  Times in seconds."""

    connect: float = 5.0
    #: Silence between two packets, while sending and while waiting.
    read: float = 10.0
    #: From the name's resolution to the response's header.
    total: float = 20.0
    #: The response's body, which decides nothing.
    body: float = 3.0
    response_bytes: int = 2048


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """Sends webhooks by one set of settings; resolver and trust anchors can be given, for tests."""

    settings: CatalogSettings
    limits: Limits = field(default_factory=Limits)
    resolver: Resolver = resolve
    tls: ssl.SSLContext | None = None

    async def send(
        self, job_id: str, url: str, body: bytes, headers: Mapping[str, str], secret_name: str | None
    ) -> DeliveryReport:
        """POST `body` once and return the report of an accepted delivery.

        Raises:
            Discard: The answer is final, or the address is not public.
            Retry: The receiver named the time of the next attempt.
            DeliveryFailed: Anything else that may pass.
            ConfigError: There is no secret to sign with.
        """
        request = self._request(job_id, url, body, headers, secret_name)
        transport = PinnedTransport(
            allow_private=self.settings.webhook_allow_private, resolver=self.resolver, tls=self.tls
        )
        # Not by way of httpx.AsyncClient, which logs whole URLs and takes proxies from the environment.
        async with transport:
            response = await self._answer(transport, request)
            try:
                text = await self._text(response)
            finally:
                await response.aclose()
        _judge(response, text)
        return DeliveryReport(response.status_code, text)

    def _request(
        self, job_id: str, url: str, body: bytes, headers: Mapping[str, str], secret_name: str | None
    ) -> httpx.Request:
        limits = self.limits
        timeout = httpx.Timeout(limits.read, connect=limits.connect)
        id_header = header_form(job_id)
        signature = sign(body, id_header, _secrets(self.settings, secret_name), at=int(time.time()))
        sent = httpx.Headers({"User-Agent": "monarq", "Content-Type": "application/json", **headers})
        # Identity, since a compressed response is unbounded however short it looks.
        sent.update({"Accept-Encoding": "identity", JOB_ID_HEADER: id_header, SIGNATURE_HEADER: signature})
        extensions = {"timeout": timeout.as_dict()}
        return httpx.Request("POST", url, content=body, headers=sent, extensions=extensions)

    async def _answer(self, transport: PinnedTransport, request: httpx.Request) -> httpx.Response:
        # Messages name the host only: paths and queries of webhooks are often secrets themselves.
        host = request.url.host
        try:
            async with asyncio.timeout(self.limits.total):
                return await transport.handle_async_request(request)
        except AddressRefused as refusal:
            raise Discard(f"{refusal}; MONARQ_WEBHOOK_ALLOW_PRIVATE=true permits it") from None
        except TimeoutError:
            raise DeliveryFailed(f"{host}: no response within {self.limits.total:g} s") from None
        except (httpx.TransportError, OSError) as error:
            raise DeliveryFailed(f"{host}: {type(error).__name__}: {excerpt(str(error))}") from error

    async def _text(self, response: httpx.Response) -> str:
        read = bytearray()
        try:
            async with asyncio.timeout(self.limits.body):
                async for chunk in response.aiter_raw():
                    read += chunk
                    if len(read) >= self.limits.response_bytes:
                        break
        except (TimeoutError, httpx.TransportError):
            # The status has been said; what is missing is only a comment on it.
            pass
        return excerpt(bytes(read[: self.limits.response_bytes]), self.limits.response_bytes)


def _secrets(settings: CatalogSettings, name: str | None) -> list[str]:
    variable = "MONARQ_WEBHOOK_SECRET" if name is None else "MONARQ_WEBHOOK_SECRETS"
    value = settings.webhook_secret if name is None else settings.webhook_secrets.get(name)
    stripped = [] if value is None else [secret.strip() for secret in value.get_secret_value().split(",")]
    secrets = [secret for secret in stripped if secret]
    if not secrets:
        wanted = "no secret" if name is None else f"no secret named {name!r}"
        raise ConfigError([f"{variable}: holds {wanted}, and a webhook is never sent unsigned"])
    return secrets


def _judge(response: httpx.Response, text: str) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    said = f"{status} {text[:200]}".strip()
    if status in _MAY_NAME_A_TIME:
        wait = retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        if wait is not None:
            raise Retry(defer=wait, reason=f"the receiver answered {said}")
    if status >= 500 or status in _PASSING:
        raise DeliveryFailed(f"the receiver answered {said}")
    if 300 <= status < 400:
        raise Discard(f"the receiver answered {status}; redirects are not followed, name the final URL")
    raise Discard(f"the receiver answered {said}")
