"""Fifty thousand dead letters, replayed by an operation whose process is killed half-way."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from monarq.jobs.store.keys import queue_keys
from tests.integration.cli.stage import Stage, eventually
from tests.integration.store.test_many_letters import bury_many
from tests.postgres import PostgresServer
from tests.servers import ValkeyServer, free_port

#: `MANY_LETTERS=50000` for the full size; the gate has a time.
LETTERS = int(os.environ.get("MANY_LETTERS", "6000"))
_ALL: dict[str, Any] = {"action": "replay", "filter": {}}


class Site:
    """Dashboards over one Valkey: without a database, so that the letters stay in Redis, or with one."""

    def __init__(self, folder: Path, valkey: ValkeyServer, database_url: str | None) -> None:
        self.stage = Stage(folder, valkey.url)
        self.stage.environ |= {
            "MONARQ_DASHBOARD_READS_PER_MINUTE": "1000000",
            "MONARQ_DASHBOARD_WRITES_PER_MINUTE": "1000000",
        }
        if database_url is not None:
            self.stage.environ["MONARQ_DATABASE_URL"] = database_url
            token = self.stage.monarq("tokens", "create", "ops", "--role", "admin").stdout.strip()
        else:
            token = self._token_of_settings()
        self.headers = {"authorization": f"Bearer {token}"}

    def _token_of_settings(self) -> str:
        from monarq.dashboard.auth.secrets import new_token

        token, digest, _ = new_token()
        grants, ends = '[{"role": "admin"}]', "2100-01-01T00:00:00Z"
        self.stage.environ["MONARQ_DASHBOARD_TOKENS"] = (
            f'{{"ops": {{"sha256": "{digest.hex()}", "grants": {grants}, "expires_at": "{ends}"}}}}'
        )
        return token

    def open(self) -> tuple[Any, httpx.Client]:
        """One more dashboard, and a client of it."""
        port = str(free_port())
        running = self.stage.start("dashboard", "--port", port).says("monarq dashboard:")
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=self.headers, timeout=60)
        eventually(lambda: _answers(client))
        return running, client


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/livez").status_code == 200
    except httpx.TransportError:
        return False


def told(client: httpx.Client, token: str) -> dict[str, Any]:
    answer = client.get(f"/v1/operations/{token}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["done"] + found["skipped"] + found["failed"] + found["left"] == found["total"]
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("place", ["redis", "postgres"])
def test_an_operation_survives_the_death_of_its_process(
    place: str, tmp_path: Path, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with ValkeyServer() as valkey:
        asyncio.run(_bury(valkey.url, LETTERS))
        site = Site(tmp_path, valkey, postgres.new_database() if place == "postgres" else None)
        try:
            _replay_and_kill(site, valkey, place, capsys)
        finally:
            site.stage.clear()


def test_a_server_that_stops_hands_its_operation_over(tmp_path: Path) -> None:
    with ValkeyServer() as valkey:
        asyncio.run(_bury(valkey.url, 1_000))
        site = Site(tmp_path, valkey, None)
        try:
            first, api = site.open()
            token = api.post("/v1/operations", json=_ALL).json()["token"]
            slowly = {**_ALL, "dry_run": False, "token": token, "rate_limit": 20}
            assert api.post("/v1/operations", json=slowly).status_code == 202
            eventually(lambda: told(api, token)["done"] > 20)
            first.process.terminate()
            began = time.monotonic()
            assert first.process.wait(30) == 0
            assert time.monotonic() - began < 15
            _, api = site.open()
            # at once, and not when the lease is over
            eventually(lambda: told(api, token)["state"] == "running", within=10)
            api.post(f"/v1/operations/{token}/cancel")
            eventually(lambda: told(api, token)["ended_at"])
            end = told(api, token)
            assert (end["state"], end["failed"], end["skipped"]) == ("cancelled", 0, 0)
            with redis.Redis.from_url(valkey.url) as store:
                assert store.zcard(queue_keys("default").ranks[2]) == end["done"]
        finally:
            site.stage.clear()


async def _bury(url: str, letters: int) -> None:
    async with redis.asyncio.Redis.from_url(url) as client:
        await bury_many(client, letters)


def _replay_and_kill(
    site: Site, valkey: ValkeyServer, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, api = site.open()
    began = time.monotonic()
    counted = api.post("/v1/operations", json=_ALL).json()
    took = {"counted": time.monotonic() - began}
    assert counted["eligible"] == LETTERS
    token = counted["token"]
    assert api.post("/v1/operations", json={**_ALL, "dry_run": False, "token": token}).status_code == 202
    eventually(lambda: told(api, token)["done"] > LETTERS / 10, within=300)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    with redis.Redis.from_url(valkey.url) as store:
        by_then = store.zcard(queue_keys("default").ranks[2])
    assert LETTERS / 10 < by_then < LETTERS
    _, api = site.open()
    eventually(lambda: told(api, token)["ended_at"], within=500)
    took["replayed"] = time.monotonic() - began
    end = told(api, token)
    assert (end["state"], end["done"], end["skipped"], end["failed"]) == ("done", LETTERS, 0, 0)
    with redis.Redis.from_url(valkey.url) as store:
        assert store.zcard(queue_keys("default").ranks[2]) == LETTERS
        assert int(store.hget(queue_keys("default").stats, "replayed")) == LETTERS
    assert api.get("/v1/dead-letters").json()["items"] == []
    with capsys.disabled():
        figures = ", ".join(f"{name} in {seconds:.1f} s" for name, seconds in took.items())
        print(f"\n{LETTERS:,} letters in {place}: {figures}; killed after {by_then:,}")
