"""What can be asked of the dead letters of a queue: one function per verb, as in `verbs.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ..failure import Failure
from ..priority import Priority
from .keys import QueueKeys
from .request import Request, rank_keys, read_flags, request


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter to be replayed: where to, and the record that resets its budget."""

    job_id: str
    priority: Priority
    mark: Failure
    #: The time of death that it must have, ms; None: whenever it died.
    died_ms: int | None = None
    #: An envelope instead of its own.
    body: bytes | None = None


def replay(queue: QueueKeys, letters: Iterable[Letter]) -> Request[list[bool]]:
    """Make dead letters of one queue ready again; per letter whether there was one."""
    flat: list[Any] = []
    for letter in letters:
        died = "" if letter.died_ms is None else letter.died_ms
        flat += (letter.job_id, letter.priority.rank, letter.mark.encode(), died, letter.body or b"")
    return request(
        "replay",
        read_flags,
        **rank_keys(queue),
        wake=queue.wake,
        stats=queue.stats,
        dead=queue.dead,
        letters=flat,
    )


def discard(
    queue: QueueKeys,
    job_ids: Iterable[str],
    *,
    died_ms: Mapping[str, int] | None = None,
    counter: Literal["discarded", "pruned"] = "discarded",
    keep: int = 0,
) -> Request[list[bool]]:
    """Forget dead letters of one queue; per id whether there was one.

    Args:
        queue: Whose.
        job_ids: Which, the first to go first.
        died_ms: The times of death that they must have, by id; whenever they died where it names none.
        counter: What they are counted as.
        keep: Stop when no more than so many letters are left in the queue.
    """
    known = died_ms or {}
    flat = [value for job_id in job_ids for value in (job_id, known.get(job_id, ""))]
    return request(
        "discard", read_flags, dead=queue.dead, stats=queue.stats, counter=counter, keep=keep, letters=flat
    )


class Browsed(NamedTuple):
    """What the store holds of one letter."""

    #: When it died, ms; None if it is no dead letter.
    died_ms: int | None
    envelope: bytes | None
    #: The last failure record.
    failure: bytes | None


def browse(queue: QueueKeys, job_ids: Sequence[str], budget_bytes: int) -> Request[list[Browsed]]:
    """Read letters of one queue: the first ones, up to about so many bytes, and at least one."""

    def read(reply: list[Any]) -> list[Browsed]:
        return [
            Browsed(None if reply[at] is None else int(float(reply[at])), reply[at + 1], reply[at + 2])
            for at in range(0, len(reply), 3)
        ]

    return request("browse", read, dead=queue.dead, budget=budget_bytes, letters=job_ids)
