"""One queue on one server as the rules see it: every verb in a few words, and a look behind them."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from hashlib import blake2b
from secrets import token_hex
from typing import Any, Literal

import redis.asyncio

from monarq.jobs.envelope import DURABLE, content_digest, encode_head
from monarq.jobs.failure import Cause, Failure, decode_failure
from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store import keys, letter_verbs, verbs
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.keys import QueueKeys, queue_keys
from monarq.jobs.store.letter_verbs import Browsed, Letter, Revival, Revived
from monarq.jobs.store.moving import Movement, move
from monarq.jobs.store.pauses import Pause, pause_request, resume_request
from monarq.jobs.store.restoring import Known, Lack, Restorable, compare, restore
from monarq.jobs.store.verbs import Accepted, Claim, Claimed, End, Entry, Held, Lease, Settlement, Verb
from monarq.jobs.unique import Unique

from .listener import Listener

NOW = timedelta(0)
LEASE = timedelta(seconds=30)
AGEING = timedelta(minutes=1)
KEPT_MS = 60_000
WORKER = "w1"
#: As far as a script looks into it.
CANCELLED_RECORD = b'{"m":{"v":1,"s":"cancelled"}}'
#: What claim.lua grants to the workers of a server that has just come back.
RESTART_GRACE_SECONDS = 5


def a_job(
    job_id: str = "a",
    *,
    kind: str = "test.kind",
    priority: Priority = Priority.NORMAL,
    due: timedelta | datetime = NOW,
    content: str | None = None,
    unique: Unique | None = None,
    key: str = "k",
    durable: bool = False,
) -> Entry:
    """A job; with `content`, one whose id was chosen by an app, so that its content matters.  With `unique`,
    one that wants to hold the unique key of this name."""
    arguments = b"{}" if content is None else b'{"content":"%b"}' % content.encode()
    digest = None if content is None else content_digest(kind, arguments)
    mark, asked = None, ""
    if unique is not None:
        mark, asked = f"{unique.held_until}:{digest_of(key)}", verbs.unique_rule(unique, digest_of(key))
    marks = DURABLE if durable else ""
    head = encode_head(kind, arguments, priority=priority, digest=digest, unique=mark, marks=marks)
    return Entry(job_id, priority, due, head, digest or "", asked)


def digest_of(key: str) -> str:
    """The digest of a unique key, named in a few letters."""
    return blake2b(key.encode(), digest_size=16).hexdigest()


def an_end(
    job: Claimed,
    verb: Verb = Verb.SUCCEEDED,
    *,
    worker: str = WORKER,
    result: bytes | None = b'{"r":1}',
    result_ms: int = KEPT_MS,
    delay: timedelta = NOW,
    failure: Failure | None = None,
    key: str | None = None,
    kept: bool = False,
) -> End:
    """The end of the attempt that `worker` claimed; `key` names the unique key that it frees or takes."""
    owner = verbs.fence(worker, job.starts)
    unique = "" if key is None else digest_of(key)
    delay_ms = verbs.milliseconds(delay)
    return End(job.job_id, owner, verb, result, result_ms, delay_ms, failure, unique, is_kept=kept)


def a_failure(
    spent: int = 1, *, crashes: int = 0, lapses: int = 0, cause: Cause = Cause.ERROR, message: str = "boom"
) -> Failure:
    return Failure(
        spent=spent, crashes=crashes, lapses=lapses, cause=cause, fence=1, worker=WORKER, message=message
    )


def a_lease(job: Claimed, *, worker: str = WORKER, length: timedelta = LEASE) -> Lease:
    """What `worker` renews while it runs the job."""
    return Lease(job.job_id, verbs.fence(worker, job.starts), length)


class Store:
    """The verbs for one queue, and what a test needs to see or to bend: scores instead of waiting, say."""

    def __init__(self, transport: Transport, client: redis.asyncio.Redis, queue: QueueKeys) -> None:
        self.transport = transport
        self.client = client
        self.queue = queue

    # --- the verbs

    async def enqueue(self, *jobs: Entry) -> list[Accepted | Held]:
        return await execute(self.transport, verbs.enqueue(self.queue, jobs))

    async def look(
        self,
        limit: int = 1,
        *,
        worker: str = WORKER,
        nonce: str | None = None,
        queues: Sequence[QueueKeys] = (),
        lease: timedelta = LEASE,
    ) -> Claim:
        """Claim, and return the whole reply."""
        request = verbs.claim(
            queues or [self.queue],
            worker=worker,
            nonce=nonce or token_hex(8),
            limit=limit,
            lease=lease,
            ageing=AGEING,
        )
        return await execute(self.transport, request)

    async def claim(
        self,
        limit: int = 1,
        *,
        worker: str = WORKER,
        nonce: str | None = None,
        queues: Sequence[QueueKeys] = (),
        lease: timedelta = LEASE,
    ) -> list[Claimed]:
        return (await self.look(limit, worker=worker, nonce=nonce, queues=queues, lease=lease)).jobs

    async def settle(
        self, *ends: End, worker: str = WORKER, nonce: str | None = None, tells_past: bool = False
    ) -> list[Settlement]:
        request = verbs.settle(
            self.queue, ends, worker=worker, nonce=nonce or token_hex(8), tells_past=tells_past
        )
        return await execute(self.transport, request)

    async def renew(self, *leases: Lease) -> list[verbs.Renewal]:
        return await execute(self.transport, verbs.renew(self.queue, leases))

    async def cancel(
        self, job_id: str = "a", *, result_ms: int = KEPT_MS, note: bytes = b""
    ) -> verbs.Cancellation:
        request = verbs.cancel(self.queue, job_id, CANCELLED_RECORD, result_ms, note)
        return await execute(self.transport, request)

    async def move(self, job_id: str = "a", **to: Any) -> Movement:
        return await execute(self.transport, move(self.queue, job_id, **to))

    async def inspect(self, job_id: str = "a", channel: str = "") -> verbs.Standing:
        return await execute(self.transport, verbs.inspect(self.queue, job_id, channel))

    async def replay(
        self,
        *job_ids: str,
        priority: Priority = Priority.NORMAL,
        died_ms: int | None = None,
        body: bytes | None = None,
    ) -> list[bool]:
        mark = a_failure(0, cause=Cause.REPLAY, message="")
        letters = [Letter(job_id, priority, mark, died_ms, body) for job_id in job_ids]
        return await execute(self.transport, letter_verbs.replay(self.queue, letters))

    async def discard(self, *job_ids: str, **options: Any) -> list[bool]:
        return await execute(self.transport, letter_verbs.discard(self.queue, job_ids, **options))

    async def archive(self, *job_ids: str, died_ms: int | None = None, hold_ms: int = 1_000) -> list[bool]:
        """Of letters that died at `died_ms`; by default, whenever they did."""
        died = [await self.died_ms(job_id) if died_ms is None else died_ms for job_id in job_ids]
        letters = [(job_id, at or 0) for job_id, at in zip(job_ids, died, strict=True)]
        return await execute(self.transport, letter_verbs.archive(self.queue, letters, hold_ms))

    async def revive(
        self,
        *job_ids: str,
        priority: Priority = Priority.NORMAL,
        died_ms: int = 1,
        starts: int = 1,
        body: bytes = b"body",
        failures: Sequence[bytes] = (),
    ) -> list[Revived]:
        mark = a_failure(0, cause=Cause.REPLAY, message="")
        letters = [Revival(job_id, priority, died_ms, mark, starts, body, failures) for job_id in job_ids]
        return await execute(self.transport, letter_verbs.revive(self.queue, letters))

    async def forget(
        self,
        *job_ids: str,
        key: str | None = None,
        counter: Literal["discarded", "pruned"] = "discarded",
        died_ms: int = 1,
    ) -> int:
        digest = "" if key is None else digest_of(key)
        letters = [(job_id, died_ms, digest) for job_id in job_ids]
        return await execute(self.transport, letter_verbs.forget(self.queue, letters, counter=counter))

    async def browse(self, *job_ids: str, budget_bytes: int = 1_000_000) -> list[Browsed]:
        return await execute(self.transport, letter_verbs.browse(self.queue, job_ids, budget_bytes))

    async def pause(
        self, kind: str = "", *, until: timedelta | datetime | None = None, by: str = "ann"
    ) -> Pause | None:
        told = {"by": by, "why": "a test", "now": False}
        return await execute(self.transport, pause_request(self.queue, kind, until, told))

    async def resume(self, kind: str = "", *, limit: int = 500) -> tuple[Pause | None, int]:
        return await execute(self.transport, resume_request(self.queue, kind, limit))

    async def compare(self, **fences: int) -> list[Lack]:
        """By ids, with the numbers of their newest attempts."""
        return await execute(self.transport, compare(self.queue, [Known(*job) for job in fences.items()]))

    async def restore(self, *jobs: Restorable) -> list[Lack]:
        return await execute(self.transport, restore(self.queue, jobs))

    # --- short ways into a state

    async def run(self, job_id: str = "a", *, worker: str = WORKER) -> Claimed:
        """Enqueue a job and claim it."""
        await self.enqueue(a_job(job_id))
        [job] = await self.claim(worker=worker)
        assert job.job_id == job_id
        return job

    async def bury(
        self, job_id: str = "a", *, result: bytes | None = None, failure: Failure | None = None
    ) -> Claimed:
        """Make a job a dead letter."""
        job = await self.run(job_id)
        end = an_end(job, Verb.DEAD, result=result, failure=failure or a_failure())
        assert await self.settle(end) == [True]
        return job

    async def put_aside(self, *job_ids: str, kind: str = "test.kind") -> None:
        """Let jobs of a paused kind be put aside by a claim."""
        await self.enqueue(*map(a_job, job_ids))
        await self.pause(kind)
        assert await self.claim(5) == []
        assert await self.parked(kind) == sorted(job_ids)

    async def end_pause(self, kind: str = "") -> None:
        """Let the time of a pause be over: nobody has resumed it."""
        record = await self.call("HGET", self.queue.pause, kind)
        over = re.sub(rb'"until_ms":\w+', b'"until_ms":1', record)
        await self.call("HSET", self.queue.pause, kind, over)

    async def at(self, job_id: str, score: int) -> None:
        """Move a job in time, in whatever zset it waits or runs."""
        for zset in (*self.queue.ranks, self.queue.running):
            await self.call("ZADD", zset, "XX", score, job_id)

    async def age(self, job_id: str, waited: timedelta) -> None:
        """Let a job have waited for so long."""
        await self.at(job_id, await self.now() - verbs.milliseconds(waited))

    async def expire_leases(self, *job_ids: str) -> None:
        """Let leases have run out: scores are rewritten, for the scripts trust only the server's clock."""
        await self._wait_out_restart_grace()
        past = await self.now() - 1
        for job_id in job_ids:
            await self.at(job_id, past)

    async def give_to_arq(self, job_id: str = "a", *, ttl: timedelta = timedelta(minutes=5)) -> None:
        """Let a worker of arq's own run the job: it sets a fence without an owner, and leaves the score."""
        await self.call("SET", keys.FENCE + job_id, "1", "PX", verbs.milliseconds(ttl))

    # --- a look behind

    async def call(self, *command: Any) -> Any:
        return await self.transport.call(*command)

    async def now(self) -> int:
        """The server's clock, ms."""
        seconds, microseconds = await self.call("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def state(self, job_id: str = "a") -> str:
        return (await self.inspect(job_id)).what

    async def score(self, job_id: str = "a") -> int | None:
        """When the job is visible, ms; None if it neither waits nor runs."""
        scores = [await self.call("ZSCORE", zset, job_id) for zset in self.queue.ranks]
        found = [int(score) for score in scores if score is not None]
        assert len(found) < 2, f"{job_id} stands in {len(found)} zsets"
        return found[0] if found else None

    async def priority(self, job_id: str = "a") -> Priority | None:
        """In which zset the job waits or runs."""
        for priority, zset in zip(PRIORITIES, self.queue.ranks, strict=True):
            if await self.call("ZSCORE", zset, job_id) is not None:
                return priority
        return None

    async def died_ms(self, job_id: str = "a") -> int | None:
        score = await self.call("ZSCORE", self.queue.dead, job_id)
        return None if score is None else int(score)

    async def lease_end(self, job_id: str = "a") -> int | None:
        score = await self.call("ZSCORE", self.queue.running, job_id)
        return None if score is None else int(score)

    async def holder(self, key: str = "k") -> str | None:
        """Who holds a unique key."""
        held = await self.call("GET", self.queue.unique(digest_of(key)))
        return None if held is None else str(held.decode())

    async def starts(self, job_id: str = "a") -> int:
        return int(await self.call("GET", keys.STARTS + job_id) or 0)

    async def failures(self, job_id: str = "a") -> list[Failure]:
        return [decode_failure(record) for record in await self.call("LRANGE", keys.FAILURES + job_id, 0, -1)]

    async def kept_ends(self) -> list[dict[str, Any]]:
        """The ends that PostgreSQL is yet to be told of."""
        return [json.loads(entry) for entry in await self.call("LRANGE", self.queue.ends, 0, -1)]

    async def tokens(self) -> int:
        return int(await self.call("LLEN", self.queue.wake))

    async def take_token(self) -> None:
        await self.call("DEL", self.queue.wake)

    async def parked(self, kind: str = "test.kind") -> list[str]:
        """The jobs of a kind that were put aside."""
        return sorted(one.decode() for one in await self.call("ZRANGE", self.queue.parked(kind), 0, -1))

    async def stats(self) -> dict[str, int]:
        flat = await self.call("HGETALL", self.queue.stats)
        return {name.decode(): int(count) for name, count in zip(flat[::2], flat[1::2], strict=True)}

    async def keys(self) -> set[str]:
        return {key.decode() for key in await self.call("KEYS", "*")}

    async def dump(self, *, without: Sequence[str] = ()) -> dict[str, Any]:
        """Every key and what it holds, but for keys with these prefixes."""
        readers = {
            b"string": ("GET",),
            b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
            b"list": ("LRANGE", 0, -1),
            b"hash": ("HGETALL",),
            b"set": ("SMEMBERS",),
        }
        found = {}
        for key in sorted(await self.keys()):
            if not key.startswith(tuple(without)):
                verb, *rest = readers[await self.call("TYPE", key)]
                found[key] = await self.call(verb, key, *rest)
        return found

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Listener]:
        """Hear what is published on a channel."""
        async with self.client.pubsub() as pubsub:
            await pubsub.subscribe(channel)
            yield Listener(self.call, pubsub, channel)

    async def _wait_out_restart_grace(self) -> None:
        while await self.uptime() < RESTART_GRACE_SECONDS:
            await self.call("BLPOP", "monarq:wake:nobody", 0.05)

    async def uptime(self) -> int:
        """Seconds since the server started."""
        for line in (await self.call("INFO", "server")).splitlines():
            if line.startswith(b"uptime_in_seconds:"):
                return int(line.partition(b":")[2])
        raise AssertionError("the server does not tell its uptime")


@asynccontextmanager
async def open_store(url: str, queue: QueueKeys | None = None) -> AsyncIterator[Store]:
    """The store of a real server, over our own link."""
    link = Link(from_url(url))
    async with redis.asyncio.Redis.from_url(url) as client:
        try:
            yield Store(link, client, queue or queue_keys("default"))
        finally:
            await link.close()
