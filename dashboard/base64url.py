"""Bytes as text that may stand in an address: base64url without its padding (RFC 4648, section 5)."""

from __future__ import annotations

import base64


def encode(raw: bytes) -> str:
    """The text of these bytes."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of a text.

    Raises:
        ValueError: It is no such text.
    """
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
