"""Why is a job where it is?  One true sentence, and the facts that it rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from ..envelope import is_durable
from ..settings import Settings
from ..state import State
from .crew import Crew
from .dead_letters import DeadLetters, open_dead_letters
from .execute import Transport
from .facts import facts_of
from .finding import find, with_letter
from .sentences import Reason, sentence_of
from .workers import LiveWorker, live_workers

if TYPE_CHECKING:
    from .postgres.database import Database


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
    database: Database | None = None,
    words: bool = True,
) -> Explanation:
    """Say why a job is where it is.

    What it says of the job was so at one moment; what it says of the workers is what they last reported, some
    seconds before.

    Args:
        queue: Where to look; by default the job's own record tells, and else all queues are asked.
        tagged: As the setting `hash_tags`.
        database: Where dead letters lie that Redis may not hold any more, and jobs that it has not got yet.
        words: Tell what errors say, too; it may come from the payload.

    Raises:
        StoreUnavailable: A store did not answer.
    """
    letters = None if database is None else open_dead_letters(transport, database, tagged=tagged)
    look = partial(_explain, transport, job_id, queue=queue, tagged=tagged, letters=letters, words=words)
    told = await look()
    if database is None or told.reason is not Reason.NO_TRACE:
        return told
    from .postgres.held import explain_held, find_held  # they import what need not be installed

    if (row := await find_held(database, job_id)) is not None:
        return explain_held(row, words=words)
    return await look()  # a relay may have brought it between the two looks


async def _explain(
    transport: Transport,
    job_id: str,
    *,
    queue: str | None,
    tagged: bool,
    letters: DeadLetters | None,
    words: bool,
) -> Explanation:
    workers = await live_workers(transport)
    found = await find(transport, job_id, queue=queue, tagged=tagged, ageing=partial(_ageing, workers))
    if letters is not None:
        found = await with_letter(found, letters)
    examined = found.job if words else found.job.without_words()
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


def _ageing(workers: Sequence[LiveWorker], queue: str) -> timedelta:
    """As those have it who serve the queue."""
    for worker in workers:
        if worker.serves(queue) and worker.ageing_ms:
            return timedelta(milliseconds=worker.ageing_ms)
    default: timedelta = Settings.model_fields["ageing"].default
    return default
