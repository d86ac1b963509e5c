"""Which dead letters a search means: what can be handed on to the page of operations."""

from __future__ import annotations

from collections.abc import Sequence

from monarq.jobs.state import State
from monarq.jobs.store.job_search import JobSearch
from monarq.jobs.store.search_terms import Term

#: What an operation can be told, beside the state.
_KNOWN = frozenset({"state", "queue", "kind", "fingerprint", "after", "before"})


def letters_meant(terms: Sequence[Term], search: JobSearch) -> dict[str, str] | None:
    """What an operation on all dead letters of a search is told; None if it means other jobs, or more."""
    wanted = search.filter
    if search.states != {State.DEAD} or not {term.name for term in terms} <= _KNOWN:
        return None
    one_of = {"queue": wanted.queue, "kind": wanted.kind, "fingerprint": wanted.fingerprint}
    if any(isinstance(value, tuple) for value in one_of.values()):
        return None
    times = {"after": wanted.since, "before": wanted.until}
    given = {name: value for name, value in one_of.items() if isinstance(value, str)}
    return given | {name: time.isoformat() for name, time in times.items() if time is not None}
