"""Dead letters, made without a worker."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from secrets import token_hex
from typing import Any

from pydantic_core import to_json

from monarq.jobs.envelope import encode_head
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.priority import Priority
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.keys import QUEUES, QueueKeys, queue_keys
from monarq.jobs.store.verbs import BATCH, End, Entry, Verb, claim, enqueue, fence, settle

WORKER = "gravedigger"
A_MINUTE = timedelta(minutes=1)


async def bury(
    transport: Transport,
    *job_ids: str,
    queue: str = "default",
    kind: str = "boom",
    priority: Priority = Priority.NORMAL,
    arguments: Mapping[str, Any] | None = None,
    **failure: str,
) -> None:
    """Enqueue jobs, claim them, and let them die.

    `failure`: the `error_type`, `message` and `traceback` of what they die of.
    """
    keys = queue_keys(queue)
    encoded = to_json({"text": "x"} if arguments is None else arguments)
    head = encode_head(kind, encoded, queue=queue, priority=priority)
    await transport.call("SADD", QUEUES, queue)
    for at in range(0, len(job_ids), BATCH):
        batch = job_ids[at : at + BATCH]
        entries = [Entry(job_id, priority, timedelta(0), head) for job_id in batch]
        await execute(transport, enqueue(keys, entries))
        await _kill(transport, keys, batch, failure)


async def _kill(
    transport: Transport, keys: QueueKeys, job_ids: Sequence[str], told: Mapping[str, str]
) -> None:
    request = claim([keys], worker=WORKER, nonce=token_hex(8), limit=BATCH, lease=A_MINUTE, ageing=A_MINUTE)
    claimed = (await execute(transport, request)).jobs
    assert {job.job_id for job in claimed} == set(job_ids)
    of = {"error_type": "ValueError", "message": "no", **told}
    failure = Failure(spent=1, crashes=0, cause=Cause.ERROR, fence=1, worker=WORKER, **of)
    ends = [End(job.job_id, fence(WORKER, job.starts), Verb.DEAD, failure=failure) for job in claimed]
    assert all(await execute(transport, settle(keys, ends, worker=WORKER, nonce=token_hex(8))))
