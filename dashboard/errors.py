"""Every error of the HTTP API.

    MonarqError
    └── RequestRefused                 a request that was not carried out, and would not be if it were
    repeated
        ├── NotAuthenticated           who asks has not shown who they are
        ├── LoginFailed                name and password, or the one-time login, are not right
        ├── NotPermitted               who asks may not do this
        ├── WrongMeans                 not by what they have shown: a token, say, where a person is wanted
        ├── ReadOnly                   nobody may, at this dashboard
        ├── CrossOrigin                a browser sent it on behalf of another site
        ├── WrongHost                  it was meant for another address
        ├── TooManyRequests            more of them than are allowed in a time
        ├── TooManyStreams             more are connected for longer than one request than can be
        ├── NotThere                   there is no such thing, or it must not be seen
        ├── NotSetUp                   the settings lack what it needs
        ├── NameTaken                  another one has this name
        ├── StateConflict              the job is in a state in which that cannot be done
        ├── KeyReused                  another request came under this idempotency key
        ├── StillRunning               the first request of this idempotency key is not answered yet
        ├── PreconditionFailed         what it would change is no longer what the caller has seen
        ├── PreconditionRequired       it does not say which version it would change
        ├── InvalidRequest             a member of it cannot be used
        ├── InvalidParameter           a parameter of its address cannot be used
        ├── UnknownParameter           it has one that nobody knows
        ├── UnsupportedMedia           its body is not JSON, or for a page: no form
        └── BodyTooLarge               its body says that it is larger than allowed

What they are in HTTP is in `problems.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from monarq.jobs.errors import MonarqError


class RequestRefused(MonarqError):
    """A request was not carried out."""

    code = "request_refused"


class NotAuthenticated(RequestRefused):
    """The request shows no identity, or one that does not hold.  It says no more than that."""

    code = "not_authenticated"

    def __init__(self) -> None:
        super().__init__("log in, or send a token that holds: Authorization: Bearer …")


class LoginFailed(RequestRefused):
    """Name and password, or the one-time login, are not right.  Which of them is not told."""

    code = "login_failed"

    def __init__(self) -> None:
        super().__init__("the login is not right, or no longer")


class NotPermitted(RequestRefused):
    """The caller may not do this."""

    code = "not_permitted"

    def __init__(self, permission: str) -> None:
        super().__init__(f"this needs the permission {permission}")
        self.permission = permission


class WrongMeans(RequestRefused):
    """The caller may do this, but not by what was shown: a token, say, where a person is wanted."""

    code = "wrong_means"


class ReadOnly(RequestRefused):
    """What was asked would change something, and this dashboard, or what it stands on, only shows."""

    code = "read_only"

    def __init__(self, why: str = "this dashboard only shows: MONARQ_DASHBOARD_READ_ONLY is set") -> None:
        super().__init__(why)


class CrossOrigin(RequestRefused):
    """A browser sent a change on behalf of another site, or it cannot be told that it did not."""

    code = "cross_origin"

    def __init__(self) -> None:
        super().__init__("a change must come from this dashboard's own pages, or bring a token")


class WrongHost(RequestRefused):
    """The request is meant for a host that this dashboard is not."""

    code = "wrong_host"

    def __init__(self) -> None:
        super().__init__("this is not the host of that name; see MONARQ_DASHBOARD_URL")


class TooManyRequests(RequestRefused):
    """More requests than are allowed in a time.  `retry_after` is in seconds."""

    code = "quota_exceeded"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many requests; try again in {retry_after} s")
        self.retry_after = retry_after


class TooManyStreams(RequestRefused):
    """There are too many streams of events, of this caller or of all."""

    code = "too_many_streams"

    def __init__(self) -> None:
        super().__init__("there are too many streams of events; end one, or try again later")


class NotThere(RequestRefused):
    """There is no such thing, or the caller must not see it: which of both is not told."""

    code = "not_found"

    def __init__(self, what: str) -> None:
        super().__init__(f"there is no such {what}")


class NotSetUp(RequestRefused):
    """The settings of this dashboard lack what it needs."""

    code = "not_set_up"

    def __init__(self, setting: str) -> None:
        super().__init__(f"this dashboard is not set up for it: {setting} is not set")


class NameTaken(RequestRefused):
    """Another one has this name."""

    code = "name_taken"

    def __init__(self, what: str) -> None:
        super().__init__(f"another {what} has this name")


class StateConflict(RequestRefused):
    """The job is in a state in which that cannot be done; `state` says in which."""

    code = "state_conflict"

    def __init__(self, state: str, why: str) -> None:
        super().__init__(f"the job is {state}: {why}")
        self.state = state


class KeyReused(RequestRefused):
    """Another request came under this idempotency key; it stands for that one."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key came with another request: take a new key for a new one")


class StillRunning(RequestRefused):
    """The first request that came under this idempotency key is not answered yet."""

    code = "idempotency_key_in_use"

    def __init__(self, retry_after: int) -> None:
        super().__init__("the first request under this Idempotency-Key is not answered yet: ask again")
        self.retry_after = retry_after


class PreconditionFailed(RequestRefused):
    """What it would change is not, or no longer, what `If-Match` names.  `current` is its ETag now."""

    code = "precondition_failed"

    def __init__(self, current: str) -> None:
        super().__init__("it has changed since you looked: look again, and decide anew")
        self.current = current


class PreconditionRequired(RequestRefused):
    """The request does not say which version it would change."""

    code = "precondition_required"

    def __init__(self) -> None:
        super().__init__("say what you have seen: If-Match with its ETag, or * for whatever it is")


class InvalidRequest(RequestRefused):
    """Members of the request cannot be used.  `faults` maps the JSON pointer of each to what is wrong."""

    code = "invalid_request"

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{pointer}: {fault}" for pointer, fault in faults.items()))
        self.faults = faults


class InvalidParameter(RequestRefused):
    """A parameter of the address cannot be used; `span` is the word of its value that is at fault."""

    code = "invalid_parameter"

    def __init__(self, name: str, fault: str, span: tuple[int, int] | None = None) -> None:
        super().__init__(f"{name}: {fault}")
        self.name = name
        self.fault = fault
        self.span = span


class UnknownParameter(RequestRefused):
    """The address has a parameter that this resource does not know."""

    code = "unknown_parameter"

    def __init__(self, known: list[str]) -> None:
        super().__init__(f"a parameter is not known here; known are: {', '.join(known) or 'none'}")


class UnsupportedMedia(RequestRefused):
    """The body is not of the kind that is read there: JSON, or for a page a form."""

    code = "unsupported_media"

    def __init__(self, wanted: str) -> None:
        super().__init__(f"send this, not compressed: Content-Type: {wanted}")


class BodyTooLarge(RequestRefused):
    """The body is larger than the settings allow."""

    code = "body_too_large"

    def __init__(self) -> None:
        super().__init__("the body is larger than MONARQ_DASHBOARD_MAX_BODY_BYTES allows")
