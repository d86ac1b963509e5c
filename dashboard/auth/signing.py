"""The keys that this dashboard signs JWTs with: EdDSA, or HS256 where nobody else is to verify them.

    ed25519:<43 characters>,hs256:<43 characters>

The first one signs; all of them verify, so that a key can be replaced while its JWTs go on.  A key's own
algorithm is the only one that it is used with, whatever a JWT says.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from monarq.jobs.errors import ConfigError

from .. import base64url

_ED25519, _HS256 = "ed25519", "hs256"
_BYTES = 32


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key, and the algorithm that it is for."""

    id: str
    algorithm: str
    signs: Any = field(repr=False)
    verifies: Any = field(repr=False)
    #: As JWKS has it; None for a secret, which has no public part.
    public: dict[str, str] | None


class SigningKeys:
    """All keys of this dashboard; none: it issues no JWTs."""

    def __init__(self, keys: list[SigningKey]) -> None:
        self._keys = {key.id: key for key in keys}
        self.newest = keys[0] if keys else None

    @classmethod
    def read(cls, text: str) -> SigningKeys:
        """From the setting.

        Raises:
            ConfigError: A key cannot be read.  It repeats nothing of it.
        """
        return cls([_key(part.strip()) for part in text.split(",") if part.strip()])

    def get(self, key_id: object) -> SigningKey | None:
        """The key of this id."""
        return self._keys.get(key_id) if isinstance(key_id, str) else None

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """What anybody may know: the public parts."""
        return {"keys": [key.public for key in self._keys.values() if key.public is not None]}


def new_key(kind: str = _ED25519) -> str:
    """A new key, as the setting takes it."""
    return f"{kind}:{base64url.encode(secrets.token_bytes(_BYTES))}"


def _key(text: str) -> SigningKey:
    kind, _, encoded = text.partition(":")
    try:
        raw = base64url.decode(encoded)
    except ValueError:
        raw = b""
    if len(raw) != _BYTES or kind not in (_ED25519, _HS256):
        raise ConfigError(
            ["MONARQ_DASHBOARD_SIGNING_KEYS: a key cannot be read; `monarq tokens key` makes one that can"]
        )
    if kind == _HS256:
        # of the secret nothing must show, so its id is a digest of more than itself
        return SigningKey(sha256(b"monarq key id" + raw).hexdigest()[:16], "HS256", raw, raw, None)
    private = Ed25519PrivateKey.from_private_bytes(raw)
    point = base64url.encode(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    # RFC 7638: the id is the thumbprint
    key_id = base64url.encode(sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{point}"}}'.encode()).digest())
    public = {"kty": "OKP", "crv": "Ed25519", "x": point, "kid": key_id, "alg": "EdDSA", "use": "sig"}
    return SigningKey(key_id, "EdDSA", private, private.public_key(), public)
