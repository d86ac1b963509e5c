"""Why is a job where it is?  One true sentence, and the facts that it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from pydantic_core import from_json

from ..envelope import is_durable
from ..settings import Settings
from ..state import State
from .crew import Crew
from .dead_letters import DeadLetters
from .examine import Examined, examine
from .execute import Transport, execute
from .facts import facts_of
from .keys import DEAD_LETTER, DEFAULT_QUEUE, JOB, RESULT, QueueKeys, queue_keys
from .queues import known_queues
from .sentences import Reason, sentence_of
from .workers import LiveWorker, live_workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Where a job stands, and why."""

    job_id: str
    #: None if there is no trace of it, or if what there is stands in no queue.
    state: State | None
    #: What the sentence says, for machines.
    reason: Reason
    sentence: str
    facts: dict[str, Any] = field(default_factory=dict)

    def as_document(self) -> dict[str, Any]:
        """The explanation as plain data, for `--json` and the API."""
        return {
            "job_id": self.job_id,
            "state": str(self.state) if self.state else None,
            "reason": str(self.reason),
            "sentence": self.sentence,
            "facts": self.facts,
        }


async def explain(
    transport: Transport,
    job_id: str,
    *,
    queue: str | None = None,
    tagged: bool = False,
    letters: DeadLetters | None = None,
) -> Explanation:
    """Say why a job is where it is.

    What it says of the job was so at one moment; what it says of the workers is what they last reported, some
    seconds before.

    Args:
        queue: Where to look; by default the job's own record tells, and else all queues are asked.
        tagged: As the setting `hash_tags`.
        letters: Where dead letters lie that Redis may not hold any more.

    Raises:
        StoreUnavailable: A store did not answer.
    """
    workers = await live_workers(transport)
    examined = await _find(transport, job_id, await _queues(transport, job_id, queue, tagged), workers)
    if letters is not None and not examined.is_here:
        examined = await _with_letter(examined, job_id, letters)
    envelope, record = examined.envelope(), examined.record()
    kind = envelope.kind if envelope is not None else record.kind if record is not None else None
    # who has lost this job's lease may still have a report of its last minute
    others = [one for one in workers if one.worker != examined.lost_worker]
    crew = Crew(others, examined.queue, kind, is_durable(examined.body))
    reason, sentence = sentence_of(examined, crew)
    return Explanation(
        job_id=job_id,
        state=examined.state or (record.state if record is not None and examined.body is None else None),
        reason=reason,
        sentence=sentence,
        facts=facts_of(examined, crew),
    )


async def _find(
    transport: Transport, job_id: str, queues: Sequence[QueueKeys], workers: Sequence[LiveWorker]
) -> Examined:
    """The job in its queue; if it stands in none, what was seen last."""
    *others, last = queues
    for keys in others:
        examined = await execute(transport, examine(keys, job_id, _ageing(workers, keys.name)))
        if examined.is_here:
            return examined
    return await execute(transport, examine(last, job_id, _ageing(workers, last.name)))


async def _with_letter(examined: Examined, job_id: str, letters: DeadLetters) -> Examined:
    """The same with the job's dead letter, if it lies elsewhere."""
    async with aclosing(letters.select([job_id])) as pages:
        async for [head, *_] in pages:
            return replace(
                examined,
                queue=head.queue.name,
                died_ms=head.died_ms,
                failure=head.failure,
                body=head.body,
                is_letter=True,
            )
    return examined


def _ageing(workers: Sequence[LiveWorker], queue: str) -> timedelta:
    """As those have it who serve the queue."""
    for worker in workers:
        if worker.serves(queue) and worker.ageing_ms:
            return timedelta(milliseconds=worker.ageing_ms)
    default: timedelta = Settings.model_fields["ageing"].default
    return default


async def _queues(transport: Transport, job_id: str, wanted: str | None, tagged: bool) -> list[QueueKeys]:
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
