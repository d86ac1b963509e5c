"""Headers that every response carries: nothing from elsewhere, nothing framed, nothing kept by caches."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders

from .limits import QUOTA, Quota
from .visit import Visit

#: Scripts, styles and images are our own files; nothing inline.  Text becomes HTML in one place only: where
#: the policy `monarq` of `static/page.js` lets htmx read our own answers.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types monarq"
)
_ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
_TLS_ONLY = "max-age=31536000"


def add_headers(headers: MutableHeaders, visit: Visit, state: dict[str, object]) -> None:
    """Add what the response does not say by itself."""
    for name, value in _ALWAYS.items():
        headers.setdefault(name, value)
    if visit.scheme == "https":
        headers.setdefault("strict-transport-security", _TLS_ONLY)
    headers["x-request-id"] = visit.request_id
    headers.add_vary_header("Sec-Fetch-Site, Origin")
    quota = state.get(QUOTA)
    if isinstance(quota, Quota):
        headers["ratelimit-policy"] = f'"{quota.name}";q={quota.amount};w={quota.window_seconds}'
        headers["ratelimit"] = f'"{quota.name}";r={quota.remaining};t={quota.resets_in}'
