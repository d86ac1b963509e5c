"""Dead letters, made without a worker."""

from collections.abc import Sequence
from datetime import timedelta

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
    message: str = "no",
) -> None:
    """Enqueue jobs, claim them, and let them die."""
    keys = queue_keys(queue)
    head = encode_head(kind, b'{"text":"x"}', queue=queue, priority=priority)
    await transport.call("SADD", QUEUES, queue)
    for at in range(0, len(job_ids), BATCH):
        batch = job_ids[at : at + BATCH]
        entries = [Entry(job_id, priority, timedelta(0), head) for job_id in batch]
        await execute(transport, enqueue(keys, entries))
        await _kill(transport, keys, batch, message)


async def _kill(transport: Transport, keys: QueueKeys, job_ids: Sequence[str], message: str) -> None:
    request = claim([keys], worker=WORKER, nonce=job_ids[0], limit=BATCH, lease=A_MINUTE, ageing=A_MINUTE)
    claimed = (await execute(transport, request)).jobs
    assert {job.job_id for job in claimed} == set(job_ids)
    failure = Failure(
        spent=1,
        crashes=0,
        cause=Cause.ERROR,
        fence=1,
        worker=WORKER,
        error_type="ValueError",
        message=message,
    )
    ends = [End(job.job_id, fence(WORKER, job.starts), Verb.DEAD, failure=failure) for job in claimed]
    assert all(await execute(transport, settle(keys, ends, worker=WORKER, nonce=job_ids[0])))
