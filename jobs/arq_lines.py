"""Ends of jobs on a terminal: one line each, in the form that arq's users know.

0.35s ← 5f1c…:mail.send ●
0.02s ↻ 77ab…:mail.send retrying job in 5.00s, ConnectionError: refused
0.41s ! 91de…:mail.send failed, ValueError: no such address try=3
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from structlog.typing import EventDict

#: What the line itself says, and what is nearly always the same on one terminal: not repeated behind it.
_IN_LINE = frozenset(
    {"event", "job_id", "kind", "attempt", "seconds", "delay_s", "error_type", "error"} | {"cause", "queue"}
)


def as_arq(logger: Any, method: str, event: EventDict) -> EventDict:
    """A processor that says the ends of jobs as arq does; other lines about jobs lose the worker alone."""
    if "job_id" in event:  # one process writes to one terminal
        event.pop("worker", None)
    name, seconds = event.get("event"), event.get("seconds")
    form = _FORMS.get(name) if isinstance(name, str) else None
    if form is None or not isinstance(seconds, float):
        return event
    job, attempt = f"{event.get('job_id')}:{event.get('kind')}", event.get("attempt", 1)
    told = f"{seconds:6.2f}s {form(job, event)}" + (f" try={attempt}" if attempt != 1 else "")
    return {"event": told} | {name: value for name, value in event.items() if name not in _IN_LINE}


def _fault(event: EventDict) -> str:
    error_type, message = event.get("error_type"), event.get("error")
    return f", {error_type}: {message}" if error_type else ""


def _again(words: str) -> Callable[[str, EventDict], str]:
    return lambda job, event: f"↻ {job} {words} {event.get('delay_s', 0.0):0.2f}s{_fault(event)}"


_FORMS: dict[str, Callable[[str, EventDict], str]] = {
    "job.succeeded": lambda job, event: f"← {job} ●",
    "job.retrying": _again("retrying job in"),
    "job.snoozed": _again("put off for"),
    "job.interrupted": lambda job, event: f"↻ {job} cancelled, will be run again",
    "job.dead": lambda job, event: f"! {job} failed{_fault(event)}",
    "job.expired": lambda job, event: f"! {job} expired{_fault(event)}",
    "job.cancelled": lambda job, event: f"⊘ {job} aborted",
}
