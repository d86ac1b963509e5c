"""What an error of the server means for the caller: wait and repeat, make room, or give up."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from monarq.jobs.errors import StoreError, StoreFull, StoreRefused, StoreUnavailable
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.replies import ScriptMissing
from monarq.jobs.store.sync_connection import SyncLink
from tests.contract.store import Store, a_job, open_store
from tests.proxy import Proxy
from tests.servers import ValkeyServer, free_port

UNAVAILABLE, FULL, REFUSED = StoreUnavailable, StoreFull, StoreRefused
ERRORS = {
    "LOADING Redis is loading the dataset in memory": UNAVAILABLE,
    "BUSY Redis is busy running a script.": UNAVAILABLE,
    "MASTERDOWN Link with MASTER is down": UNAVAILABLE,
    "READONLY You can't write against a read only replica.": UNAVAILABLE,
    "NOREPLICAS Not enough good replicas to write.": UNAVAILABLE,
    "CLUSTERDOWN The cluster is down": UNAVAILABLE,
    "TRYAGAIN Multiple keys request during rehashing of slot": UNAVAILABLE,
    "OOM command not allowed when used memory > 'maxmemory'.": FULL,
    "MISCONF Redis is configured to save RDB snapshots, but it is unable to persist to disk.": FULL,
    "WRONGTYPE Operation against a key holding the wrong kind of value": REFUSED,
    "NOPERM this user has no permissions to run the 'evalsha' command": REFUSED,
    "NOAUTH Authentication required.": REFUSED,
    "ERR unknown command 'NONSENSE'": REFUSED,
    "NOSCRIPT No matching script.": ScriptMissing,
}


@pytest.mark.parametrize("text", ERRORS)
async def test_an_error_reply_becomes_its_error_and_leaves_the_link_in_step(
    proxy: Proxy, link: Link, sync_link: SyncLink, text: str
) -> None:
    async def ask_sync(*command: str) -> object:
        return await asyncio.to_thread(sync_link.call, *command)

    for ask in (link.call, ask_sync):
        await ask("PING")
        proxy.replace_reply(f"-{text}\r\n".encode())
        with pytest.raises(StoreError) as raised:
            await ask("GET", "a")
        assert type(raised.value) is ERRORS[text]
        assert text in str(raised.value)
        assert await ask("ECHO", "next") == b"next"
    assert proxy.accepted == 2


async def test_a_key_of_another_type_is_refused(store: Store) -> None:
    await store.enqueue(a_job())
    await store.call("SET", store.queue.running, "not a zset")
    with pytest.raises(StoreRefused, match="WRONGTYPE"):
        await store.claim()


@pytest.fixture(scope="module")
def own_server() -> Iterator[ValkeyServer]:
    """For what would harm the others."""
    with ValkeyServer(appendonly=True, options={"appendfsync": "always"}) as server:
        yield server


async def test_a_replica_is_unavailable_and_may_become_a_master_again(own_server: ValkeyServer) -> None:
    async with open_store(own_server.url) as store:
        await store.call("REPLICAOF", "127.0.0.1", free_port())
        try:
            with pytest.raises(StoreUnavailable, match="READONLY"):
                await store.enqueue(a_job("replica"))
        finally:
            await store.call("REPLICAOF", "NO", "ONE")
        await store.enqueue(a_job("replica"))


async def test_a_server_that_loads_its_data_is_unavailable_and_comes_back(own_server: ValkeyServer) -> None:
    async with open_store(own_server.url) as store:
        await store.enqueue(*(a_job(f"j{n}") for n in range(100)))
        async with slowly_restarted(own_server):
            while True:
                try:
                    await store.claim()
                except StoreUnavailable as error:
                    if "LOADING" in str(error):
                        break
                else:
                    pytest.fail("it had loaded before it was asked")
        assert len(await store.claim(100)) == 100


@asynccontextmanager
async def slowly_restarted(server: ValkeyServer) -> AsyncIterator[None]:
    """It answers while it loads, and takes some milliseconds for each key; at the end it has loaded."""
    slow = {"key-load-delay": "20000", "loading-process-events-interval-bytes": "1024"}
    await asyncio.to_thread(rewrite_appended, server)  # into keys: it is only they that can be slow to load
    server.kill()
    options, server._options = server._options, {**server._options, **slow}
    starting = asyncio.create_task(asyncio.to_thread(server.start))
    try:
        yield
    finally:
        await starting
        server._options = options


def rewrite_appended(server: ValkeyServer) -> None:
    link = SyncLink(from_url(server.url))
    link.call("BGREWRITEAOF")
    while b"aof_rewrite_in_progress:1" in (info := link.call("INFO", "persistence")) or (
        b"aof_rewrite_scheduled:1" in info
    ):
        pass
    link.close()
