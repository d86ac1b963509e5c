"""Two tenants of one installation: of one there is all that there can be, and the other must not see it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from monarq import JobContext, fixed, job
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.queues import announce
from monarq.producer import Producer
from tests.integration.worker.deadlines import eventually
from tests.integration.worker.stage import running, settings_for

from .house import House

#: It stands in everything that is of the hidden tenant: no answer to the other one may hold it.
MARK = "zebra"
QUEUE = f"{MARK}.mail"
#: What the other tenant has: a queue of its own, and grants that name no other.
OWN_QUEUE = "acme.mail"
OWN = {"queues": ["acme.*"]}


@job(f"{MARK}.send", queue=QUEUE, tags=[MARK])
async def send(ctx: JobContext, to: str) -> str:
    """Ends well."""
    return f"{MARK} result for {to}"


@job(f"{MARK}.fail", queue=QUEUE, tags=[MARK], max_attempts=1)
async def fail(ctx: JobContext, to: str) -> None:
    """Ends dead."""
    raise ValueError(f"{MARK} error for {to}")


@job(f"{MARK}.again", queue=QUEUE, tags=[MARK], max_attempts=5, backoff=fixed(3600))
async def again(ctx: JobContext, to: str) -> None:
    """Is tried again in an hour."""
    raise ConnectionError(f"{MARK} is away for {to}")


@job(f"{MARK}.hold", queue=QUEUE, tags=[MARK])
async def hold(ctx: JobContext, to: str) -> None:
    """Runs until its worker is stopped."""
    await asyncio.Event().wait()


@job("acme.send", queue=OWN_QUEUE)
async def own_send(ctx: JobContext, to: str) -> str:
    """The other tenant's."""
    return f"sent to {to}"


@dataclass
class Tenant:
    """What is hidden, by the names that path parameters have."""

    ids: dict[str, list[str]] = field(default_factory=dict)
    #: The job that runs: its lease is renewed.
    running: str = ""
    dead: list[str] = field(default_factory=list)

    def add(self, name: str, *values: str) -> None:
        self.ids.setdefault(name, []).extend(values)


@asynccontextmanager
async def two_tenants(house: House) -> AsyncIterator[Tenant]:
    """Both at work: jobs of the hidden one in every state, a worker, letters, a pause, users and tokens."""
    database_url = house.settings.database_url
    settings = settings_for(
        house.settings.redis_url.get_secret_value(),
        database_url=None if database_url is None else database_url.get_secret_value(),
    )
    tenant = Tenant()
    tenant.add("queue", QUEUE)
    tenant.add("kind", send.kind, fail.kind)
    await announce(house.services.link, [queue_keys(QUEUE), queue_keys(OWN_QUEUE)])
    handlers, queues = [send, fail, again, hold], [QUEUE]
    async with (
        Producer.connect(settings=settings) as producer,
        running(handlers, settings, queues=queues) as worker,
        running([own_send], settings, queues=[OWN_QUEUE]),
    ):
        tenant.add("worker", worker.worker_id)
        await _make_jobs(producer, tenant)
        await _make_people(house, tenant)
        yield tenant


async def _make_jobs(producer: Producer, tenant: Tenant) -> None:
    arguments = f"{MARK}-argument"
    ended = [await producer.enqueue(send.of(arguments), tags=[f"{MARK}-tag"]) for _ in range(2)]
    dead = [await producer.enqueue(fail.of(arguments)) for _ in range(3)]
    tried = await producer.enqueue(again.of(arguments))
    held = await producer.enqueue(hold.of(arguments))
    later = await producer.enqueue(send.of(arguments), delay=timedelta(hours=1))
    cancelled = await producer.enqueue(send.of(arguments), delay=timedelta(hours=1))
    await cancelled.cancel(reason=f"{MARK} reason")
    own = await producer.enqueue(own_send.of("ann"))
    for handle, state in [
        *((one, "succeeded") for one in (*ended, own)),
        *((one, "dead") for one in dead),
        (tried, "retrying"),
        (held, "running"),
        (later, "scheduled"),
    ]:

        async def is_there(handle: Any = handle, state: str = state) -> bool:
            return str(await handle.status()) == state

        await eventually(is_there)
    tenant.running = held.job_id
    tenant.dead = [one.job_id for one in dead]
    tenant.add("job_id", *(one.job_id for one in (*ended, *dead, tried, held, later, cancelled)))


async def _make_people(house: House, tenant: Tenant) -> None:
    grant = {"role": "admin", "queues": [f"{MARK}.*"]}
    user = await house.user(grant, name=f"{MARK}-ann")
    _, token_id = await house.token(grant, owner=user)
    browser = await house.browser(user=user)
    paused = await browser.post(
        f"/v1/queues/{QUEUE}/pause", json={"why": f"{MARK} why", "kind": f"{MARK}.none"}
    )
    assert paused.status_code == 200, paused.text
    await _run_operation(browser, tenant)
    [session] = (await browser.get("/v1/sessions")).json()["items"]
    tenant.add("user_id", user.id)
    tenant.add("token_id", token_id)
    tenant.add("session_id", session["id"])


async def _run_operation(browser: httpx.AsyncClient, tenant: Tenant) -> None:
    """One letter is discarded, so that there is an operation; the others are a group."""
    [group] = (await browser.get("/v1/dead-letters/groups")).json()["items"]
    order = {"action": "discard", "filter": {"ids": [tenant.dead.pop()]}}
    plan = (await browser.post("/v1/operations", json=order)).json()
    begun = await browser.post("/v1/operations", json=order | {"dry_run": False, "token": plan["token"]})
    assert begun.status_code == 202, begun.text
    address = f"/v1/operations/{begun.json()['id']}"

    async def has_ended() -> bool:
        return (await browser.get(address)).json()["ended_at"] is not None

    await eventually(has_ended)
    tenant.add("fingerprint", group["fingerprint"])
    tenant.add("operation_id", begun.json()["id"])
