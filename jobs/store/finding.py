"""Finding a job by nothing but its id: in which queue is it, and what is known of it there?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic_core import from_json

from ..settings import Settings
from .dead_letters import DeadLetters
from .examine import Examined, examine
from .execute import Transport, execute
from .keys import DEAD_LETTER, DEFAULT_QUEUE, JOB, RESULT, QueueKeys, queue_keys
from .queues import known_queues


def _default_ageing(_: str) -> timedelta:
    default: timedelta = Settings.model_fields["ageing"].default
    return default


@dataclass(frozen=True, slots=True)
class Found:
    """A job as one queue knows it; `job.is_here` says whether it is its queue."""

    job_id: str
    queue: QueueKeys
    job: Examined


async def find(
    transport: Transport,
    job_id: str,
    *,
    queue: str | None = None,
    tagged: bool = False,
    ageing: Callable[[str], timedelta] = _default_ageing,
) -> Found:
    """The job in its queue; if it stands in none, what was seen last.

    Args:
        queue: Where to look; by default the job's own record tells, and else all queues are asked.
        tagged: As the setting `hash_tags`.
        ageing: How long a job of this queue waits until it counts as of the next higher priority.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    *others, last = await _queues(transport, job_id, queue, tagged)
    for keys in others:
        examined = await execute(transport, examine(keys, job_id, ageing(keys.name)))
        if examined.is_here:
            return Found(job_id, keys, examined)
    return Found(job_id, last, await execute(transport, examine(last, job_id, ageing(last.name))))


async def with_letter(found: Found, letters: DeadLetters) -> Found:
    """The same with the job's dead letter, if it lies elsewhere and the job is not here."""
    if found.job.is_here:
        return found
    async with aclosing(letters.select([found.job_id])) as pages:
        async for [head, *_] in pages:
            job = replace(
                found.job,
                queue=head.queue.name,
                died_ms=head.died_ms,
                failure=head.failure,
                body=head.body,
                is_letter=True,
            )
            return Found(found.job_id, head.queue, job)
    return found


async def _queues(transport: Transport, job_id: str, wanted: str | None, tagged: bool) -> Sequence[QueueKeys]:
    """Where to look, the likeliest first; the likeliest once more at the end, for its word if all deny it."""
    known = await known_queues(transport, tagged=tagged)
    if wanted is not None:
        return [keys for keys in known if keys.name == wanted] or [queue_keys(wanted, tagged=tagged)]
    hint = await _hint(transport, job_id)
    likely = [keys for keys in known if keys.name == hint]
    return [*likely, *(keys for keys in known if keys.name != hint), *likely]


async def _hint(transport: Transport, job_id: str) -> str:
    """The queue that the job's own record names."""
    for record in await transport.call("MGET", JOB + job_id, DEAD_LETTER + job_id, RESULT + job_id):
        try:
            told = from_json(record or b"null")
            return str(told.get("q") or (told.get("m") or {}).get("q") or DEFAULT_QUEUE)
        except (ValueError, AttributeError):
            continue
    return DEFAULT_QUEUE
