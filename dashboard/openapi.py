"""The OpenAPI document, where FastAPI does not know what we do: errors, who may ask, conditional requests."""

from __future__ import annotations

from typing import Any

from .problems import MEDIA_TYPE

_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API token or a JWT."},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-monarq_session"},
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "ETags of what the caller has already.",
}
_ETAG = {"ETag": {"schema": {"type": "string"}, "description": "Tells this answer from another one."}}
#: What FastAPI says of its own errors, which nobody gets to see here.
_NOT_OURS = ("HTTPValidationError", "ValidationError")


def told_as_it_is(document: dict[str, Any]) -> dict[str, Any]:
    """The same document, with errors as problems and with the ways to show who one is."""
    for item in document["paths"].values():
        for method, operation in item.items():
            responses = operation["responses"]
            problem = responses["default"]
            problem["content"] = {MEDIA_TYPE: problem["content"]["application/json"]}
            responses.pop("422", None)
            if method == "get":
                _tell_conditions(operation)
    components = document["components"]
    for name in _NOT_OURS:
        components["schemas"].pop(name, None)
    components["securitySchemes"] = _SECURITY
    return document


def _tell_conditions(operation: dict[str, Any]) -> None:
    operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
    operation["responses"]["304"] = {"description": "It is still what the caller has."}
    operation["responses"].get("200", {})["headers"] = _ETAG
