"""What can be done to all jobs of a search: the page of operations is told which, and counts them first.

An operation is done to jobs that have not ended, or to dead letters: a search that means both has two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monarq.jobs.state import FINAL, State
from monarq.jobs.store.job_search import JobSearch
from monarq.jobs.store.search_terms import Term

from ..access.permissions import Permission

#: What an operation on dead letters can be told, beside the state.
_KNOWN = frozenset({"state", "queue", "kind", "fingerprint", "after", "before"})
_ON_JOBS = (Permission.JOBS_CANCEL, Permission.JOBS_RETRY, Permission.JOBS_EDIT)
_ON_LETTERS = (Permission.DEAD_REPLAY, Permission.DEAD_PURGE)


@dataclass(frozen=True, slots=True)
class Bulk:
    """An operation on jobs of a search."""

    verb: str
    #: Which of them, if it is not done to all: `the dead letters`.
    part: str
    #: What the page of operations is told.
    parameters: dict[str, str]
    #: What it takes, beside the permission to run operations: one of these.
    permissions: tuple[Permission, ...]


def bulks_of(text: str, terms: Sequence[Term], search: JobSearch) -> list[Bulk]:
    """The operations on jobs of this search; none for who looks for nothing in particular."""
    found = []
    if terms and any(search.wants(state) for state in State if state not in FINAL):
        part = "those that have not ended" if any(map(search.wants, FINAL)) else ""
        found.append(Bulk("Act on", part, {"action": "cancel", "q": text}, _ON_JOBS))
    letters = _letters_meant(terms, search)
    if letters is not None:
        # not "all": of those that have died, some were replayed or discarded since
        found.append(Bulk("Replay", "the dead letters", {"action": "replay", **letters}, _ON_LETTERS))
    return found


def _letters_meant(terms: Sequence[Term], search: JobSearch) -> dict[str, str] | None:
    """The dead letters among them, if the search names them and an operation can be told which they are."""
    wanted = search.filter
    if State.DEAD not in search.states or not {term.name for term in terms} <= _KNOWN:
        return None
    one_of = {"queue": wanted.queue, "kind": wanted.kind, "fingerprint": wanted.fingerprint}
    if any(isinstance(value, tuple) for value in one_of.values()):
        return None
    times = {"after": wanted.since, "before": wanted.until}
    given = {name: value for name, value in one_of.items() if isinstance(value, str)}
    return given | {name: time.isoformat() for name, time in times.items() if time is not None}
