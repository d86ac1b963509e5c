"""What can be done to all jobs of a search: the page of operations is told which, and counts them first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monarq.jobs.state import FINAL, State
from monarq.jobs.store.job_search import JobSearch
from monarq.jobs.store.search_terms import Term

from ..access.permissions import Permission

#: What an operation on dead letters can be told, beside the state.
_KNOWN = frozenset({"state", "queue", "kind", "fingerprint", "after", "before"})


@dataclass(frozen=True, slots=True)
class Bulk:
    """An operation on all jobs of a search."""

    verb: str
    #: What the page of operations is told.
    parameters: dict[str, str]
    #: What it takes, beside the permission to run operations: one of these.
    permissions: tuple[Permission, ...]


def bulk_of(text: str, terms: Sequence[Term], search: JobSearch) -> Bulk | None:
    """An operation that means the same jobs as the search; None if there is none."""
    if search.states and not search.states & FINAL:
        held = (Permission.JOBS_CANCEL, Permission.JOBS_RETRY, Permission.JOBS_EDIT)
        return Bulk("Act on", {"action": "cancel", "q": text}, held)
    letters = _letters_meant(terms, search)
    if letters is None:
        return None
    return Bulk("Replay", {"action": "replay", **letters}, (Permission.DEAD_REPLAY, Permission.DEAD_PURGE))


def _letters_meant(terms: Sequence[Term], search: JobSearch) -> dict[str, str] | None:
    wanted = search.filter
    if search.states != {State.DEAD} or not {term.name for term in terms} <= _KNOWN:
        return None
    one_of = {"queue": wanted.queue, "kind": wanted.kind, "fingerprint": wanted.fingerprint}
    if any(isinstance(value, tuple) for value in one_of.values()):
        return None
    times = {"after": wanted.since, "before": wanted.until}
    given = {name: value for name, value in one_of.items() if isinstance(value, str)}
    return given | {name: time.isoformat() for name, time in times.items() if time is not None}
