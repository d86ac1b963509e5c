"""How a webhook proves where it comes from, for the sender and for receivers.

The request carries two headers, and its body is JSON:

    Idempotency-Key: <job id>
    Monarq-Signature: t=<Unix seconds>,v1=<hex>[,v1=<hex>]

Each `v1` is HMAC-SHA256, under one secret, of these bytes: the seconds, a line feed, the job id as it stands
in the header, a line feed, the body as received.  There are several while a secret is being changed; one that
fits is enough.  A retry has the same job id and a new time, so a receiver that has handled a job id answers
200 and does nothing.

A receiver in Python:

    headers = request.headers
    verify(request.body, headers["Monarq-Signature"], headers["Idempotency-Key"], secret=SECRET)
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Sequence
from datetime import timedelta
from string import punctuation
from urllib.parse import quote

from ..errors import MonarqError

SIGNATURE_HEADER = "Monarq-Signature"
JOB_ID_HEADER = "Idempotency-Key"

_SECONDS = re.compile(r"[0-9]{1,12}")
_IN_HEADER = punctuation.replace("%", "")


class SignatureRefused(MonarqError):
    """The request was not signed by a holder of the secret, or is too old."""

    code = "signature_refused"


def header_form(job_id: str) -> str:
    """The job id as the header carries it: spaces and whatever is not ASCII become `%XX`."""
    return quote(job_id, safe=_IN_HEADER)


def sign(body: bytes, job_id: str, secrets: Sequence[str], *, at: int) -> str:
    """The value of the signature header.

    Args:
        body: The request's body, as it travels.
        job_id: As it stands in the `Idempotency-Key` header.
        secrets: One signature each, in this order.
        at: Unix seconds.
    """
    signatures = (f"v1={_digest(secret, at, job_id, body)}" for secret in secrets)
    return ",".join((f"t={at}", *signatures))


def verify(
    body: bytes,
    signature: str,
    job_id: str,
    *,
    secret: str | Sequence[str],
    tolerance: timedelta = timedelta(minutes=5),
    now: float | None = None,
) -> None:
    """Return if the request is genuine and recent, in constant time for any signature.

    It does not tell a repeat within `tolerance` from the first: remember the job ids for that.

    Args:
        body: The request's body as received, before any parsing.
        signature: The `Monarq-Signature` header.
        job_id: The `Idempotency-Key` header.
        secret: One or several; any of them may have signed.
        tolerance: How far the two clocks may differ, the way of the request included.
        now: Unix seconds.  Default: this machine's clock.

    Raises:
        SignatureRefused: It says why, for the receiver's log.  Answer 401 and no more.
    """
    at, given = _parse(signature)
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not secrets or not all(secrets):
        raise ValueError("secret: give at least one, and none that is empty")
    wanted = [_digest(one, at, job_id, body) for one in secrets]
    # Summed, since `any` would stop at the first that fits.
    if not sum(hmac.compare_digest(left.encode(), right.encode()) for left in wanted for right in given):
        raise SignatureRefused("no signature fits the body, the job id and the time")
    if abs((time.time() if now is None else now) - at) > tolerance.total_seconds():
        raise SignatureRefused(f"signed more than {tolerance} before or after now")


def _digest(secret: str, at: int, job_id: str, body: bytes) -> str:
    # The line feeds keep the three parts apart: neither number nor header value can contain one.
    signed = b"%d\n%s\n%s" % (at, job_id.encode(), body)
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _parse(header: str) -> tuple[int, list[str]]:
    pairs = [part.strip().partition("=")[::2] for part in header.split(",")]
    times = [value for name, value in pairs if name == "t"]
    given = [value for name, value in pairs if name == "v1"]
    if len(times) != 1 or not _SECONDS.fullmatch(times[0]) or not given:
        raise SignatureRefused(f"the {SIGNATURE_HEADER} header is not of the form t=<seconds>,v1=<hex>")
    return int(times[0]), given
