"""An outside issuer: its keys, its JWKS over HTTP, and JWTs good and bad."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://login.example.com/", "monarq"
_MAKERS: dict[str, Any] = {
    "RS256": (lambda: generate_rsa(65537, 2048), RSAAlgorithm),
    "ES256": (lambda: generate_private_key(SECP256R1()), ECAlgorithm),
    "EdDSA": (Ed25519PrivateKey.generate, OKPAlgorithm),
}


class OutsideIssuer:
    """Serves its keys; `asked` counts how often it was asked, and `broken` is what it answers instead."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {}
        self.further: list[dict[str, Any]] = []
        self.asked = 0
        self.broken: tuple[int, bytes] | None = None
        self.add("one", "RS256")
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                status, body = issuer.broken or (200, json.dumps(issuer.jwks()).encode())
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                if 300 <= status < 400:
                    self.send_header("location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"

    def add(self, key_id: str, algorithm: str) -> None:
        """A new key."""
        self.keys[key_id] = (algorithm, _MAKERS[algorithm][0]())

    def jwks(self) -> dict[str, Any]:
        """What it tells of its keys."""
        told = []
        for key_id, (algorithm, key) in self.keys.items():
            public = _MAKERS[algorithm][1].to_jwk(key.public_key(), as_dict=True)
            told.append(public | {"kid": key_id, "alg": algorithm, "use": "sig"})
        return {"keys": [*told, *self.further]}

    def token(self, key_id: str = "one", *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A JWT of it, with claims that hold unless others are given; None leaves one out."""
        algorithm, key = self.keys[key_id]
        given = good_claims() | claims
        held = {name: value for name, value in given.items() if value is not None}
        sent = {"kid": key_id, "typ": "at+jwt"} | (headers or {})
        return jwt.encode(held, key, algorithm=algorithm, headers=sent)

    def settings(self, **options: Any) -> dict[str, Any]:
        """How a dashboard is told of it."""
        return {
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "jwks_url": self.url,
            "groups": {"sre": [{"role": "operator"}], "staff": [{"role": "viewer", "queues": ["mail"]}]},
            **options,
        }

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def good_claims() -> dict[str, Any]:
    now = int(time.time())
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 300, "groups": ["sre"]}


def forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A JWT that no library would write."""
    return ".".join(
        encoded(part) for part in (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    )


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
