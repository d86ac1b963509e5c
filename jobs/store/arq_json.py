"""JSON serializers for arq's own client, so that plain arq code and Monarq read each other:

redis = await arq.create_pool(settings, job_serializer=serialize, job_deserializer=deserialize)
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_core import from_json, to_json

from ..errors import JobExpired, JobFailed


def serialize(document: dict[str, Any]) -> bytes:
    """arq's `job_serializer`.

    Raises:
        ValueError: A value has no JSON form.
    """
    return to_json(document)


def deserialize(data: bytes) -> dict[str, Any]:
    """arq's `job_deserializer`.  What went wrong becomes an exception, as arq's `Job.result()` expects."""
    document: dict[str, Any] = from_json(data)
    if document.get("s") is False:
        document["r"] = _as_exception(document)
    return document


def _as_exception(document: dict[str, Any]) -> BaseException:
    told = document.get("r")
    told = told if isinstance(told, dict) else {"message": str(told)}
    job_id, message = str(document.get("id")), str(told.get("message", ""))
    match (document.get("m") or {}).get("s"):
        case "cancelled":
            return asyncio.CancelledError(message)
        case "expired":
            return JobExpired(job_id, message)
    kind, error_type = str(document.get("f")), str(told.get("type", "error"))
    return JobFailed(job_id, kind, error_type, message, str(told.get("traceback", "")))
