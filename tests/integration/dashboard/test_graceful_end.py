"""A server with open streams ends when it is told to, and not when they would."""

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from monarq.dashboard.auth.secrets import new_token
from tests.integration.cli.stage import Stage
from tests.integration.worker.deadlines import eventually
from tests.servers import free_port

STREAMS = 10


@pytest.fixture
def stage(own_folder: Path, redis_url: str) -> Iterator[Stage]:
    began = Stage(own_folder, redis_url)
    yield began
    began.clear()


async def test_ten_open_streams_do_not_hold_up_the_end(stage: Stage) -> None:
    """Of both kinds; in seconds, with exit code 0."""
    secret, digest, _ = new_token()
    token = f'{{"t": {{"sha256": "{digest.hex()}", "grants": [{{"role": "viewer"}}], '
    token += '"expires_at": "2099-01-01T00:00:00Z"}}'
    port = free_port()
    server = stage.start("dashboard", "--port", str(port), MONARQ_DASHBOARD_TOKENS=token)
    url, headers = f"http://127.0.0.1:{port}", {"authorization": f"Bearer {secret}"}
    await eventually(lambda: _answers(url))
    heard: list[str] = []

    async def follow() -> None:
        async with (
            httpx.AsyncClient(timeout=60, headers=headers) as client,
            client.stream("GET", f"{url}/events", params={"topic": "jobs"}) as answer,
        ):
            heard.append(str(answer.status_code))
            heard.extend([line async for line in answer.aiter_lines() if line.startswith("data")])

    async def listen() -> None:
        async with connect(f"ws://127.0.0.1:{port}/v1/events", additional_headers=headers) as socket:
            heard.append("open" if "stream.open" in str(await socket.recv()) else "closed")
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1012

    streams = [asyncio.create_task(follow() if at % 2 else listen()) for at in range(STREAMS)]
    await eventually(lambda: len(heard) == STREAMS)
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    code = await asyncio.to_thread(server.process.wait, 20)
    took = time.monotonic() - began
    await asyncio.gather(*streams)
    assert code == 0, server.output
    assert took < 15, f"{took:.1f} s"
    assert heard.count('data: {"why":"stopping"}') == STREAMS // 2


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez").status_code == 200
    except httpx.TransportError:
        return False
