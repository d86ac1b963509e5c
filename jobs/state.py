"""The states of a job and the moves between them.  There are no others.

The Lua scripts, the docs and the property tests are checked against `TRANSITIONS`.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a job stands.  A final state is left only by a replay."""

    SCHEDULED = "scheduled"  #: waits for its time
    READY = "ready"  #: may be claimed now
    RUNNING = "running"  #: a worker holds its lease
    RETRYING = "retrying"  #: failed, waits out its backoff
    SUCCEEDED = "succeeded"
    DEAD = "dead"  #: a dead letter: out of attempts, discarded, or unreadable
    CANCELLED = "cancelled"
    EXPIRED = "expired"  #: its own deadline passed before it could succeed

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in FINAL


FINAL = frozenset({State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED})

#: From each state, the states that it may move to.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.SCHEDULED: frozenset({State.READY, State.CANCELLED}),
    State.READY: frozenset(
        {
            State.RUNNING,
            State.CANCELLED,
            State.SCHEDULED,  # put off, by hand or by an enqueue with the same unique key
            State.RETRYING,  # the same, after a failure
        }
    ),
    State.RUNNING: frozenset(
        {
            State.SUCCEEDED,
            State.RETRYING,
            State.DEAD,
            State.CANCELLED,
            State.EXPIRED,
            State.READY,  # interrupted, or its lease ran out
            State.SCHEDULED,  # snoozed, or handed back by a worker that does not know its kind
        }
    ),
    State.RETRYING: frozenset({State.READY, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.DEAD: frozenset({State.READY}),  # replay
    State.CANCELLED: frozenset(),
    State.EXPIRED: frozenset(),
}


def may_move(source: State, target: State) -> bool:
    """Whether a job may go from `source` to `target` in one step."""
    return target in TRANSITIONS[source]
