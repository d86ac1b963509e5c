"""Cursors: where a page of a list ended, as a text that only this dashboard reads.

A place may be that of a job which the caller must not see, so it is sealed, and not only signed.  The seal
is bound to the search: a cursor of another one, or of another caller's part of the jobs, does not open.  The
same place makes the same cursor, so that a page which has not changed has the same ETag.
"""

from __future__ import annotations

import json
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from monarq.jobs.store.paging import Mark

from . import base64url
from .errors import InvalidParameter

_KEY_BYTES = 64
_NONE = "it is none, or belongs to another search: filters and order must stay the same; begin without one"


class Cursors:
    """Seals places, and opens them.

    Args:
        secret: What all processes of this dashboard know, and nobody else.
    """

    def __init__(self, secret: str) -> None:
        key = blake2b(secret.encode(), digest_size=_KEY_BYTES, person=b"monarq cursor").digest()
        self._cipher = AESSIV(key)

    def seal(self, mark: Mark, search: str) -> str:
        """The cursor of a place in a search."""
        document = json.dumps([mark.section, mark.backwards, *mark.place], separators=(",", ":"))
        sealed = self._cipher.encrypt(document.encode(), [search.encode("utf-8", "backslashreplace")])
        return base64url.encode(sealed)

    def open(self, cursor: str, search: str) -> Mark:
        """The place that a cursor stands for.

        Raises:
            InvalidParameter: It is none of ours, or of another search.
        """
        try:
            sealed = base64url.decode(cursor)
            document = self._cipher.decrypt(sealed, [search.encode("utf-8", "backslashreplace")])
        except (ValueError, InvalidTag):
            raise InvalidParameter("cursor", _NONE) from None
        section, backwards, *place = json.loads(document)
        return Mark(section, tuple(place), backwards)
