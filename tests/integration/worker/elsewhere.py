"""Workers that are not in this process: of ours, of arq's own, and one that plays another process."""

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from secrets import token_hex

from arq.connections import ArqRedis

from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.execute import execute, execute_sync
from monarq.jobs.store.keys import FENCE, queue_keys
from monarq.jobs.store.sync_connection import SyncLink
from monarq.jobs.store.verbs import Claim, Claimed, Request, claim

QUEUE = queue_keys("default")


def claim_of(worker: str, *, lease: float, limit: int = 1) -> Request[Claim]:
    """A claim by a worker that is not in this process."""
    return claim(
        [QUEUE],
        worker=worker,
        nonce=token_hex(8),
        limit=limit,
        lease=timedelta(seconds=lease),
        ageing=timedelta(minutes=1),
    )


async def claim_elsewhere(link: Link, *, lease: float, limit: int = 1) -> list[Claimed]:
    """Jobs that a worker elsewhere has from now on, and neither renews nor ends."""
    return (await execute(link, claim_of("elsewhere", lease=lease, limit=limit))).jobs


async def hold_by_arqs_workers(pool: ArqRedis, count: int) -> list[str]:
    """Jobs that are the oldest of the queue and that workers of arq's own are running."""
    names = [f"arq{number}" for number in range(count)]
    for number, name in enumerate(names):
        assert await pool.enqueue_job("double", number, _job_id=name)
    async with pool.pipeline(transaction=False) as pipe:
        pipe.zadd(QUEUE.ranks[2], {name: number + 1 for number, name in enumerate(names)})
        for name in names:
            pipe.set(FENCE + name, "1", px=60_000)
        await pipe.execute()
    return names


@dataclass
class Rival:
    """Another process, played by a thread: claims what it can get while this one's event loop stands."""

    url: str
    begin: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    worker_key: str = ""
    looks: int = 0
    stolen: list[str] = field(default_factory=list)
    missing: int = 0

    def watch(self) -> None:
        """From `begin` to `over`."""
        link = SyncLink(from_url(self.url))
        self.begin.wait()
        while not self.over.wait(0.02):
            reply = execute_sync(link.call, claim_of("rival", lease=60))
            self.stolen += [claimed.job_id for claimed in reply.jobs]
            self.missing += not link.call("EXISTS", self.worker_key)
            self.looks += 1
        link.close()
