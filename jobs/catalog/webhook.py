"""The kind `webhook.deliver`: tell another system over HTTP."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from ipaddress import IPv6Address
from typing import Annotated

import httpx
from pydantic import AfterValidator, JsonValue

from ..context import JobContext
from ..control import Discard
from ..handler import job
from ..retry import exponential
from .public_address import is_ambiguous_ipv4
from .settings import load_settings
from .webhook_delivery import DeliveryReport, WebhookDelivery
from .webhook_signature import JOB_ID_HEADER, SIGNATURE_HEADER

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
#: What frames the request, or what the receiver must be able to trust.
_OWN_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-encoding", "content-length", "expect", "host", "keep-alive"}
    | {"proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
    | {JOB_ID_HEADER.lower(), SIGNATURE_HEADER.lower()}
)


def check_url(url: str) -> str:
    """Return `url` if a webhook can go to it, by its form alone; the addresses are judged at delivery.

    Raises:
        ValueError: It says what is wrong, without repeating the URL.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise ValueError("is not a URL") from None
    host = parsed.raw_host.decode("ascii")
    if parsed.scheme not in ("http", "https"):
        raise ValueError("must start with https:// or http://")
    if parsed.userinfo:
        raise ValueError("must not hold a user name or a password; use a header")
    if not _is_host(host) or (parsed.port is not None and not 0 < parsed.port < 65536):
        raise ValueError("has no valid host and port")
    return url


def check_header(name: str, value: str) -> None:
    """Refuse a header that cannot be sent, or that is ours to set.

    Raises:
        ValueError: It says what is wrong, without repeating the value.
    """
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{name!r} is not a header name")
    if name.lower() in _OWN_HEADERS:
        raise ValueError(f"{name} is set by webhook.deliver")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value of {name} must be printable ASCII, in one line")


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        check_header(name, value)
    return headers


WebhookUrl = Annotated[str, AfterValidator(check_url)]
WebhookHeaders = Annotated[dict[str, str], AfterValidator(_check_headers)]


@job(
    "webhook.deliver",
    max_attempts=8,
    timeout=timedelta(seconds=30),
    backoff=exponential(first=timedelta(seconds=10), limit=timedelta(hours=1)),
)
async def deliver(
    ctx: JobContext,
    *,
    url: WebhookUrl,
    body: JsonValue,
    headers: WebhookHeaders | None = None,
    secret_name: str | None = None,
) -> DeliveryReport:
    """POST `body` as JSON to `url`, signed, with the job id as idempotency key (see `webhook_signature`).

    2xx is success.  429 and 503 are tried again when their Retry-After says (at most an hour later); 408,
    425, other 5xx and network errors by the backoff.  Any other answer, redirects among them, makes a dead
    letter at once, as does a host with an address that is not public, unless `MONARQ_WEBHOOK_ALLOW_PRIVATE`
    is set.

    The receiver may see a job twice: when its answer was lost, or when this worker died.

    Args:
        url: http or https, no user name.
        body: Any JSON value; the bytes are the same at each attempt.
        headers: Further headers, `Content-Type` among them (default application/json).  The queue stores
            them: no place for a password.
        secret_name: The entry of `MONARQ_WEBHOOK_SECRETS` that signs.  Default: `MONARQ_WEBHOOK_SECRET`.
    """
    try:
        check_url(url)
        content = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        checked = _check_headers(headers or {})
    except (TypeError, ValueError) as fault:
        # Pydantic has said so at the enqueue; this is for jobs that came another way.
        raise Discard(str(fault)) from None
    return await WebhookDelivery(load_settings()).send(ctx.job_id, url, content, checked, secret_name)


def _is_host(host: str) -> bool:
    if ":" not in host:
        return _NAME.fullmatch(host) is not None and not is_ambiguous_ipv4(host)
    try:
        return IPv6Address(host).scope_id is None
    except ValueError:
        return False
