"""What can be asked of the dead letters of a queue: one function per verb, as in `verbs.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
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


def archive(queue: QueueKeys, letters: Iterable[tuple[str, int]], hold_ms: int) -> Request[list[bool]]:
    """Take dead letters of one queue away that PostgreSQL holds; per letter whether it is taken away.

    Args:
        letters: Ids and times of death, ms.
        hold_ms: How long a unique key that only a success frees stays held without its letter.
    """
    return request(
        "archive",
        read_flags,
        dead=queue.dead,
        archived=queue.archived,
        stats=queue.stats,
        hold_ms=hold_ms,
        letters=[value for letter in letters for value in letter],
    )


@dataclass(frozen=True, slots=True)
class Revival:
    """A dead letter that PostgreSQL holds, to be replayed."""

    job_id: str
    priority: Priority
    died_ms: int
    mark: Failure
    starts: int
    body: bytes
    #: Its records, oldest first.
    failures: Sequence[bytes]


class Revived(IntEnum):
    """What became of one of them."""

    ID_IN_USE = 0  #: by a job, or by another letter
    REPLAYED = 1
    BEFORE = 2  #: it had been replayed by an earlier call


def revive(queue: QueueKeys, letters: Iterable[Revival]) -> Request[list[Revived]]:
    """Make dead letters of one queue ready again that Redis does not hold any more."""
    flat: list[Any] = []
    for letter in letters:
        packed = b"".join(b"%d:%b" % (len(record), record) for record in letter.failures)
        flat += (letter.job_id, letter.priority.rank, letter.died_ms, letter.mark.encode())
        flat += (letter.starts, letter.body, packed)
    return request(
        "revive",
        lambda reply: [Revived(code) for code in reply],
        **rank_keys(queue),
        wake=queue.wake,
        stats=queue.stats,
        revived=queue.revived,
        archived=queue.archived,
        letters=flat,
    )


def forget(
    queue: QueueKeys, letters: Iterable[tuple[str, int, str]], *, counter: Literal["discarded", "pruned"]
) -> Request[int]:
    """Note in Redis that PostgreSQL has forgotten dead letters of one queue.

    Args:
        letters: Ids, times of death (ms), and the digests of the unique keys that they held until a success,
            or "".
        counter: What they are counted as.
    """
    flat = [value for letter in letters for value in letter]
    return request("forget", int, stats=queue.stats, archived=queue.archived, counter=counter, letters=flat)


def receipt(job_id: str, died_ms: int) -> str:
    """What `archive` and `revive` leave of a letter."""
    return f"{died_ms}:{job_id}"


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
