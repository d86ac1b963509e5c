"""Jobs on their way to a child, and outcomes on their way back, as the facts and bytes of a frame."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any, get_args

from monarq.jobs.failure import Cause, Failure, as_document
from monarq.jobs.outcome import Outcome
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.verbs import Claimed

from .frames import Facts, Frame

_OUTCOMES: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Outcome)}
_MICROSECOND = timedelta(microseconds=1)


def pack_claimed(claimed: Claimed) -> Frame:
    """A job and its envelope."""
    facts = {field.name: getattr(claimed, field.name) for field in fields(claimed)}
    body = facts.pop("body")
    return facts | {"queue": asdict(claimed.queue), "has_body": body is not None}, body or b""


def read_claimed(facts: Facts, body: bytes) -> Claimed:
    """The job again, as far as an attempt needs it."""
    told: dict[str, Any] = {field.name: facts.get(field.name) for field in fields(Claimed)}
    queue = facts["queue"]
    told["queue"] = QueueKeys(**queue | {"ranks": tuple(queue["ranks"])})
    return Claimed(**told | {"body": body if facts["has_body"] else None})


def pack_outcome(outcome: Outcome) -> Frame:
    """How an attempt ended, with the record of its result."""
    facts: Facts = {field.name: getattr(outcome, field.name) for field in fields(outcome)}
    result = facts.pop("result", None)
    if isinstance(facts.get("failure"), Failure):
        facts["failure"] = as_document(facts["failure"])
    if "delay" in facts:
        facts["delay"] //= _MICROSECOND
    told = {"outcome": type(outcome).__name__, "facts": facts, "has_result": result is not None}
    return told, result or b""


def read_outcome(told: Facts, result: bytes) -> Outcome:
    """The outcome again."""
    kind, facts = _OUTCOMES[told["outcome"]], told["facts"]
    if "delay" in facts:
        facts["delay"] *= _MICROSECOND
    if facts.get("failure") is not None:
        facts["failure"] = Failure(**facts["failure"] | {"cause": Cause(facts["failure"]["cause"])})
    if any(field.name == "result" for field in fields(kind)):
        facts["result"] = result if told["has_result"] else None
    outcome: Outcome = kind(**facts)
    return outcome
