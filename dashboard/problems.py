"""Errors as HTTP tells them: RFC 9457, `application/problem+json`; to people, by `pages/telling.py`.

One table says what each error is; whatever is not in it is a fault of ours, and is told as such and no
further.

    {"type": "urn:monarq:problem:not_permitted", "title": "Not permitted", "status": 403,
     "detail": "this needs the permission queues:pause", "instance": "/v1/queues/mail/pause",
     "code": "not_permitted", "request_id": "0196…"}

What is wrong with members of the request stands in `errors`: `{"pointer": "#/why", "detail": …}` for the
body, `{"parameter": "limit", "detail": …}` for the address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from monarq.jobs import errors as domain
from monarq.jobs.errors import MonarqError

from . import errors as ours
from .pointers import escaped, pointer_to
from .visit import visit_of

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:monarq:problem:"
_AWAY = "the store does not answer; what was asked may have happened: look, and ask again"
#: The same to who only looked.
_AWAY_FOR_LOOKS = "{} does not answer; ask again in a moment"
_REFUSED = "the store refused it; see the log of the dashboard by the request's id"
_OURS = "something went wrong here; see the log of the dashboard by the request's id"

#: The status of each error, subclasses first; and what is told instead of its own words, which may name
#: servers.
_STATUS: tuple[tuple[type[MonarqError], int, str | None], ...] = (
    (ours.NotAuthenticated, 401, None),
    (ours.LoginFailed, 401, None),
    (ours.NotPermitted, 403, None),
    (ours.WrongMeans, 403, None),
    (ours.ReadOnly, 403, None),
    (ours.CrossOrigin, 403, None),
    (ours.WrongHost, 421, None),
    (ours.TooManyRequests, 429, None),
    (ours.TooManyStreams, 429, None),
    (ours.NotThere, 404, None),
    (ours.NotSetUp, 501, None),
    (ours.NameTaken, 409, None),
    (ours.StateConflict, 409, None),
    (ours.KeyReused, 422, None),
    (ours.StillRunning, 409, None),
    (ours.PreconditionFailed, 412, None),
    (ours.PreconditionRequired, 428, None),
    (ours.InvalidRequest, 422, None),
    (ours.InvalidParameter, 400, None),
    (ours.UnknownParameter, 400, None),
    (ours.UnsupportedMedia, 415, None),
    (ours.BodyTooLarge, 413, None),
    (ours.RequestRefused, 400, None),
    (domain.InvalidArguments, 422, None),
    (domain.PayloadTooLarge, 413, None),
    (domain.JobRejected, 409, None),
    (domain.JobNotFound, 404, None),
    (domain.JobUnsuccessful, 409, None),
    (domain.DefinitionError, 422, None),
    (domain.NoDatabase, 501, "this dashboard has no PostgreSQL"),
    (domain.StoreUnavailable, 503, _AWAY),
    (domain.StoreFull, 507, "the store is full"),
    (domain.StoreError, 502, _REFUSED),
)

#: What the framework says by itself.
_FRAMEWORK = {
    404: ("not_found", "there is nothing at this address"),
    405: ("method_not_allowed", "this resource does not know this method"),
    413: ("body_too_large", "the body is larger than MONARQ_DASHBOARD_MAX_BODY_BYTES allows"),
}


class Fault(BaseModel):
    """One member of a request that cannot be used."""

    pointer: str | None = None
    parameter: str | None = None
    detail: str
    span: Annotated[
        tuple[int, int] | None, Field(description="the word at fault: where it begins, and where it ends")
    ] = None


class ProblemDocument(BaseModel):
    """What went wrong."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[Fault] | None = None
    state: str | None = Field(None, description="of a job that is in the wrong one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An error, as HTTP tells it."""

    status: int
    code: str
    detail: str
    errors: list[dict[str, Any]] = field(default_factory=list)
    state: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_of(error: Exception, *, only_looks: bool = False) -> Problem:
    """What an error is in HTTP.

    Args:
        only_looks: Nothing can have been changed by the request.
    """
    if isinstance(error, HTTPException):
        return _of_framework(error)
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    for kind, status, told in _STATUS:
        if isinstance(error, kind):
            detail = str(error) if told is None else told
            if only_looks and isinstance(error, domain.StoreUnavailable):
                is_postgres = isinstance(error, domain.DatabaseUnavailable)
                detail = _AWAY_FOR_LOOKS.format("PostgreSQL" if is_postgres else "Redis")
            return Problem(
                status=status,
                code=error.code,
                detail=detail,
                errors=_faults(error),
                state=error.state if isinstance(error, ours.StateConflict) else None,
                headers=_headers(error),
            )
    return Problem(status=500, code="internal_error", detail=_OURS)


def respond(problem: Problem, scope: Scope) -> Response:
    """The response that tells a problem."""
    document: dict[str, Any] = {
        "type": _TYPE + problem.code,
        "title": problem.code.replace("_", " ").capitalize(),
        "status": problem.status,
        "detail": problem.detail,
        "instance": scope["path"],
        "code": problem.code,
        "request_id": visit_of(scope).request_id,
    }
    if problem.errors:
        document["errors"] = problem.errors
    if problem.state is not None:
        document["state"] = problem.state
    body = to_json(document, inf_nan_mode="null")
    return Response(body, problem.status, dict(problem.headers), media_type=MEDIA_TYPE)


def _of_framework(error: HTTPException) -> Problem:
    status = error.status_code
    code, detail = _FRAMEWORK.get(status, ("bad_request", "the request cannot be read"))
    return Problem(status=status, code=code, detail=detail, headers=error.headers or {})


def _of_validation(error: RequestValidationError) -> Problem:
    """A parameter that cannot be used is a fault of the address (400), a member one of the body (422)."""
    faults = []
    for fault in error.errors():
        where, *path = fault["loc"]
        if where == "body":
            # where the text is no JSON, the path is a position in it
            inside = [] if fault["type"] == "json_invalid" else path
            faults.append(
                {"pointer": "#" + "".join(f"/{escaped(part)}" for part in inside), "detail": fault["msg"]}
            )
        else:
            faults.append({"parameter": ".".join(map(str, path)), "detail": fault["msg"]})
    in_address = any("parameter" in fault for fault in faults)
    detail = "a parameter cannot be used" if in_address else "a member of the body cannot be used"
    return Problem(
        status=400 if in_address else 422,
        code=ours.InvalidParameter.code if in_address else ours.InvalidRequest.code,
        detail=detail,
        errors=faults,
    )


def _faults(error: MonarqError) -> list[dict[str, Any]]:
    if isinstance(error, domain.InvalidArguments):
        return [{"pointer": pointer_to(name), "detail": fault} for name, fault in error.faults.items()]
    if isinstance(error, ours.InvalidRequest):
        return [{"pointer": pointer, "detail": fault} for pointer, fault in error.faults.items()]
    if isinstance(error, ours.InvalidParameter):
        where = {} if error.span is None else {"span": error.span}
        return [{"parameter": error.name, "detail": error.fault, **where}]
    return []


def _headers(error: MonarqError) -> dict[str, str]:
    if isinstance(error, ours.TooManyRequests | ours.StillRunning):
        return {"retry-after": str(error.retry_after)}
    if isinstance(error, ours.TooManyStreams):
        return {"retry-after": "30"}
    if isinstance(error, domain.StoreUnavailable):
        return {"retry-after": "1"}
    if isinstance(error, ours.PreconditionFailed):
        return {"etag": error.current}
    return {"www-authenticate": "Bearer"} if isinstance(error, ours.NotAuthenticated) else {}
