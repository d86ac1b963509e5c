"""A tagged queue is one slot of a Redis Cluster: every key of it, and of its jobs."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from redis.crc import key_slot

from monarq.jobs.priority import Priority
from monarq.jobs.store import keys, letter_verbs, verbs
from monarq.jobs.store.address import from_url
from monarq.jobs.store.examine import examine
from monarq.jobs.store.execute import execute
from monarq.jobs.store.keys import QueueKeys, arq_queue_keys, queue_keys
from monarq.jobs.store.pauses import pause_request, resume_request
from monarq.jobs.store.sync_connection import SyncLink
from monarq.jobs.store.verbs import Request, Verb
from monarq.jobs.unique import Unique
from tests.contract.store import AGEING, LEASE, Store, a_failure, a_job, a_lease, an_end, open_store
from tests.servers import ValkeyServer, free_port

NAMES = ["default", "mail", "image.large:v2"]
LAST_SLOT = 16_383
#: Every sort of key that a queue or a job of it can have.
KINDS = {
    *(f"arq:{name}:" for name in ("queue", "job", "in-progress", "retry", "result", "abort")),
    *(f"monarq:{name}:" for name in ("queue", "running", "wake", "waiters", "stats", "dead", "reply")),
    *(f"monarq:{name}:" for name in ("failures", "dead-letter", "cancels", "corrupt", "unique")),
    *(f"monarq:{name}:" for name in ("pause", "parked", "archived", "revived")),
}


@pytest.fixture(scope="module")
def cluster_url() -> Iterator[str]:
    """A cluster of one: it holds all slots, and refuses a script that touches two."""
    with ValkeyServer(options={"cluster-enabled": "yes", "cluster-port": str(free_port())}) as server:
        link = SyncLink(from_url(server.url))
        link.call("CLUSTER", "ADDSLOTSRANGE", 0, LAST_SLOT)
        while b"cluster_state:ok" not in link.call("CLUSTER", "INFO"):
            pass  # it takes its time to believe it
        link.close()
        yield server.url


@pytest.fixture(params=NAMES)
async def store(request: pytest.FixtureRequest, cluster_url: str) -> AsyncIterator[Store]:
    async with open_store(cluster_url, queue_keys(request.param, tagged=True)) as store:
        await store.call("FLUSHALL")
        yield store


async def life_of(store: Store) -> set[str]:
    """Take jobs through everything that can happen to one; the keys that were there in between."""
    prefix, seen = store.queue.id_prefix, set()
    names = [f"{prefix}{n}" for n in range(6)]
    later = a_job(f"{prefix}z", due=timedelta(hours=1), priority=Priority.LOW, unique=Unique())
    await store.enqueue(*(a_job(name, content=name) for name in names), later)
    replace = Unique(on_conflict="replace")
    await store.enqueue(a_job(f"{prefix}y", due=timedelta(hours=2), priority=Priority.LOW, unique=replace))
    seen |= await store.keys()
    a, b, c, d, e, f = await store.claim(6)
    await store.inspect(a.job_id, "here")
    await store.cancel(e.job_id)
    await store.cancel(f"{prefix}z")
    seen |= await store.keys()
    await store.renew(a_lease(a), a_lease(b))
    await store.call("SET", keys.FAILURES + d.job_id, "no list")
    ends = [
        an_end(a),
        an_end(b, Verb.RETRYING, failure=a_failure()),
        an_end(c, Verb.DEAD, failure=a_failure()),
        an_end(d, Verb.DEAD, failure=a_failure()),
        an_end(e, Verb.CANCELLED),
    ]
    await store.settle(*ends)
    seen |= await store.keys()
    await store.browse(c.job_id)
    await store.archive(c.job_id)
    seen |= await store.keys()
    await store.revive(c.job_id)
    await store.discard(d.job_id)
    await store.expire_leases(f.job_id)
    assert len(await store.claim(5, worker="w2")) == 3
    await store.put_aside(f"{prefix}p")
    assert (await execute(store.transport, examine(store.queue, f"{prefix}p", AGEING))).is_parked
    seen |= await store.keys()
    await store.resume("test.kind")
    return seen


async def test_a_whole_life_in_a_tagged_queue_stays_in_one_slot(store: Store) -> None:
    seen = await life_of(store)
    assert {key_slot(key.encode()) for key in seen} == {key_slot(store.queue.running.encode())}
    assert {key.partition("{")[0] for key in seen} == KINDS, "the life was not a whole one"


async def test_what_is_about_to_be_cancelled_is_not_replaced_in_a_tagged_queue_either(store: Store) -> None:
    """The script makes the name of the list of cancellations itself."""
    a, b = f"{store.queue.id_prefix}a", f"{store.queue.id_prefix}b"
    await store.enqueue(a_job(a, unique=Unique()))
    [job] = await store.claim()
    await store.cancel(a)
    await store.settle(an_end(job, Verb.RELEASED))
    replace = Unique(on_conflict="replace")
    assert await store.enqueue(a_job(b, unique=replace)) == [verbs.Accepted.CREATED]


@pytest.mark.parametrize("name", NAMES)
def test_every_key_that_is_handed_to_a_script_of_a_tagged_queue_is_of_one_slot(name: str) -> None:
    queue = queue_keys(name, tagged=True)
    handed = {key for request in _requests(queue) for key in request.keys}
    assert {key_slot(key.encode()) for key in handed} == {key_slot(queue.id_prefix.encode())}


@pytest.mark.parametrize("name", NAMES)
def test_queues_share_no_key_but_arqs_list_of_aborts(name: str) -> None:
    queues = [
        queue_keys(name),
        queue_keys(name, tagged=True),
        queue_keys("other"),
        arq_queue_keys("arq:queue:third"),
    ]
    keys = [{key for request in _requests(queue) for key in request.keys} for queue in queues]
    for n, mine in enumerate(keys):
        for others in keys[n + 1 :]:
            assert mine & others <= {"arq:abort"}


_REVIVAL = letter_verbs.Revival("a", a_job().priority, 1, a_failure(), 1, b"{}", [])


def _requests(queue: QueueKeys) -> list[Request[Any]]:
    return [
        verbs.enqueue(queue, [a_job()]),
        verbs.claim([queue], worker=f"w-{queue.name}", nonce="n", limit=1, lease=LEASE, ageing=AGEING),
        verbs.settle(queue, [verbs.End("a", "w:1", Verb.SUCCEEDED)], worker="w", nonce="n"),
        verbs.renew(queue, [verbs.Lease("a", "w:1", LEASE)]),
        verbs.cancel(queue, "a", b"{}", 0),
        verbs.inspect(queue, "a", "here"),
        letter_verbs.browse(queue, ["a"], 1),
        letter_verbs.replay(queue, [letter_verbs.Letter("a", a_job().priority, a_failure())]),
        letter_verbs.discard(queue, ["a"]),
        letter_verbs.archive(queue, [("a", 1)], 1),
        letter_verbs.revive(queue, [_REVIVAL]),
        letter_verbs.forget(queue, [("a", 1, "")], counter="pruned"),
        pause_request(queue, "", None, {}),
        resume_request(queue, ""),
        examine(queue, "a", AGEING),
    ]
