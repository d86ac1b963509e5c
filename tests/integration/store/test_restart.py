"""The server dies and comes back: with its append-only file it has lost nothing, and nobody is held dead."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from monarq.jobs.store.verbs import Renewal, Verb
from tests.contract.store import RESTART_GRACE_SECONDS, Store, a_failure, a_job, a_lease, an_end, open_store
from tests.servers import ValkeyServer

HOUR = timedelta(hours=1)
GRACE_MS = RESTART_GRACE_SECONDS * 1000


@pytest.fixture
async def server() -> AsyncIterator[ValkeyServer]:
    with ValkeyServer(appendonly=True, options={"appendfsync": "always"}) as server:
        yield server


@pytest.fixture
async def store(server: ValkeyServer) -> AsyncIterator[Store]:
    async with open_store(server.url) as store:
        yield store


async def restart(server: ValkeyServer, store: Store) -> None:
    """Crash and come back; the link finds out by its next call."""
    server.restart()
    await store.transport.close()  # type: ignore[attr-defined]


async def past_lease_ends(store: Store, *job_ids: str) -> None:
    """Let leases have run out while the server was away."""
    past = await store.now() - 1
    for job_id in job_ids:
        await store.at(job_id, past)


async def test_a_restart_keeps_every_job_in_its_state(server: ValkeyServer, store: Store) -> None:
    await store.bury("dead")
    job = await store.run("retrying")
    await store.settle(an_end(job, Verb.RETRYING, delay=HOUR, failure=a_failure()))
    job = await store.run("ended")
    await store.settle(an_end(job))
    running = await store.run("running")
    await store.enqueue(a_job("ready"), a_job("scheduled", due=HOUR))
    states = {
        name: await store.state(name)
        for name in ("dead", "retrying", "ended", "running", "ready", "scheduled")
    }
    before = await store.dump()

    await restart(server, store)

    assert await store.dump() == before
    assert {name: await store.state(name) for name in states} == states
    assert await store.settle(an_end(running)) == [True]


async def test_a_settle_whose_reply_was_lost_with_the_server_is_repeated(
    server: ValkeyServer, store: Store
) -> None:
    job = await store.run()
    end = an_end(job, Verb.RETRYING, failure=a_failure())
    await store.settle(end, nonce="n")
    await restart(server, store)
    assert await store.settle(end, nonce="n") == [True]
    assert len(await store.failures()) == 1


async def test_a_claim_whose_reply_was_lost_with_the_server_is_repeated(
    server: ValkeyServer, store: Store
) -> None:
    await store.enqueue(a_job("a"), a_job("b"))
    await store.claim(nonce="n")
    await restart(server, store)
    assert [job.job_id for job in await store.claim(nonce="n")] == ["a"]


async def test_leases_that_ran_out_while_the_server_was_away_are_extended(
    server: ValkeyServer, store: Store
) -> None:
    """Their workers were alive all the time, and could not renew."""
    job = await store.run()
    await past_lease_ends(store, "a")
    await restart(server, store)

    reply = await store.look(5, worker="w2")

    assert reply.jobs == []
    left = (await store.lease_end() or 0) - await store.now()
    assert 0 < left <= GRACE_MS
    assert await store.score() == await store.lease_end()
    assert 0 < (reply.next_due or 0) <= RESTART_GRACE_SECONDS
    assert await store.state() == "running"
    assert await store.failures() == []
    assert await store.renew(a_lease(job)) == [Renewal.RENEWED]
    assert await store.settle(an_end(job)) == [True]


async def test_the_grace_is_for_every_lease_however_few_slots_are_free(
    server: ValkeyServer, store: Store
) -> None:
    names = [f"j{n}" for n in range(10)]
    await store.enqueue(*map(a_job, names))
    jobs = await store.claim(10)
    await store.enqueue(a_job("ready"))
    await past_lease_ends(store, *names)
    await restart(server, store)
    assert [job.job_id for job in await store.claim(3, worker="w2")] == ["ready"]
    assert await store.renew(*map(a_lease, jobs)) == [Renewal.RENEWED] * 10


async def test_who_does_not_come_back_within_the_grace_is_an_orphan(
    server: ValkeyServer, store: Store
) -> None:
    await store.run()
    await past_lease_ends(store, "a")
    await restart(server, store)
    assert await store.claim(worker="w2") == []
    await store.expire_leases("a")
    [job] = await store.claim(worker="w2")
    assert (job.starts, job.lapses) == (2, 1)


async def test_a_server_that_did_not_restart_grants_no_grace(redis_url: str) -> None:
    async with open_store(redis_url) as store:
        await store.run()
        await store.expire_leases("a")
        assert [job.job_id for job in await store.claim(worker="w2")] == ["a"]
