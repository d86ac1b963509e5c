"""The OpenAPI document, where FastAPI does not know what we do: how errors are told, and who may ask."""

from __future__ import annotations

from typing import Any

from .problems import MEDIA_TYPE

_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API token or a JWT."},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-monarq_session"},
}
#: What FastAPI says of its own errors, which nobody gets to see here.
_NOT_OURS = ("HTTPValidationError", "ValidationError")


def told_as_it_is(document: dict[str, Any]) -> dict[str, Any]:
    """The same document, with errors as problems and with the ways to show who one is."""
    for item in document["paths"].values():
        for operation in item.values():
            responses = operation["responses"]
            problem = responses["default"]
            problem["content"] = {MEDIA_TYPE: problem["content"]["application/json"]}
            responses.pop("422", None)
    components = document["components"]
    for name in _NOT_OURS:
        components["schemas"].pop(name, None)
    components["securitySchemes"] = _SECURITY
    return document
