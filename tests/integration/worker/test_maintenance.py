"""What a worker does besides running jobs."""

import asyncio
import json
import time
from typing import Any

import pytest
from redis.asyncio import Redis

from monarq.jobs import JobContext, job
from monarq.jobs.errors import ConfigError
from monarq.producer import Producer
from tests.servers import ValkeyServer

from .conftest import Serve
from .deadlines import eventually
from .stage import running, settings_for


@job("hold")
async def hold(ctx: JobContext) -> None:
    await asyncio.Event().wait()


async def test_notes_of_who_cancelled_jobs_that_are_gone_are_pruned(
    serve: Serve, client: Redis, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of arq's own that ends the job knows nothing of them."""
    monkeypatch.setattr("monarq.worker.maintenance.aborts.EVERY_SECONDS", 0.05)
    waits = await producer.enqueue(hold.of(), delay=60)
    notes = "monarq:cancels:default"
    await client.hset(notes, mapping={"gone": "{}", waits.job_id: "{}"})
    async with serve(hold):
        await eventually(lambda: _is_left(client, notes, waits.job_id))


async def _is_left(client: Redis, key: str, job_id: str) -> bool:
    return await client.hkeys(key) == [job_id.encode()]


async def test_requests_to_cancel_jobs_that_are_gone_are_pruned(
    serve: Serve, client: Redis, producer: Producer
) -> None:
    """And those of jobs that exist are kept: of this queue, of another, waiting or running."""
    waits = await producer.enqueue(hold.of(), delay=3600, queue="other")
    now = time.time() * 1000
    await client.zadd("arq:abort", {"gone": now, "older": now - 3_600_000, waits.job_id: now - 3_600_000})

    async def is_pruned() -> bool:
        return await client.zrange("arq:abort", 0, -1) == [waits.job_id.encode()]

    async with serve(hold):
        await eventually(is_pruned)


async def test_a_worker_reports_itself_and_takes_its_report_back(
    serve: Serve, client: Redis, producer: Producer
) -> None:
    async with serve(hold, max_jobs=5, settings={"lease": 2}) as worker:
        key = f"monarq:worker:{worker.worker_id}"
        report: dict[str, Any] = json.loads(await eventually(lambda: client.get(key)))
        assert 0 < await client.ttl(key) <= 80
    assert (report["worker"], report["slots"], report["kinds"]) == (worker.worker_id, 5, ["hold"])
    assert await client.exists(key) == 0


async def test_arqs_health_check_key_is_kept_while_the_worker_lives(serve: Serve, client: Redis) -> None:
    """For probes that were written for `arq --check`."""
    async with serve(hold, health_check_key="app:health", health_check_interval=5):
        line = await eventually(lambda: client.get("app:health"))
        assert b"j_complete=0" in line
        assert 0 < await client.ttl("app:health") <= 6
    assert await client.exists("app:health") == 0


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_evicts_keys_is_refused_at_the_start(policy: str) -> None:
    """It would lose jobs, without a word; the error names the mend."""
    options = {"maxmemory": "100mb", "maxmemory-policy": policy}
    with ValkeyServer(options=options) as server, pytest.raises(ConfigError, match="noeviction"):
        async with running([hold], settings_for(server.url)) as worker:
            await asyncio.wait([worker.main_task], timeout=20)  # type: ignore[list-item]


async def test_a_server_whose_policy_is_changed_meanwhile_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("monarq.worker.maintenance.server_watch.EVERY_SECONDS", 0.05)
    with ValkeyServer(options={"maxmemory": "100mb"}) as server:
        async with running([hold], settings_for(server.url)) as worker, Redis.from_url(server.url) as client:
            assert worker.server_watch.refused == []
            await client.config_set("maxmemory-policy", "allkeys-lru")
            [finding] = await eventually(lambda: worker.server_watch.refused)
            assert "allkeys-lru" in finding.found
            await client.config_set("maxmemory-policy", "noeviction")
            await eventually(lambda: not worker.server_watch.refused)


async def test_a_server_that_forgets_the_scripts_is_taught_again(
    serve: Serve, client: Redis, producer: Producer
) -> None:
    @job("add")
    async def add(ctx: JobContext, number: int) -> int:
        return number + 1

    async with serve(add):
        for number in range(10):
            await client.script_flush()
            assert await (await producer.enqueue(add.of(number))).result(timeout=20) == number + 1


async def test_connections_that_are_killed_come_back(serve: Serve, client: Redis, producer: Producer) -> None:
    """All of them, again and again: workers and producers go on."""

    @job("add")
    async def add(ctx: JobContext, number: int) -> int:
        await asyncio.sleep(0.01)
        return number + 1

    async with serve(add) as worker:
        for number in range(10):
            handle = await producer.enqueue(add.of(number))
            await client.client_kill_filter(_type="normal", skipme=True)
            assert await handle.result(timeout=20) == number + 1
        await eventually(lambda: worker.journal.complete == 10)
        assert worker.journal.refused == 0
