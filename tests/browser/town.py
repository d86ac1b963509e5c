"""A stack with something of everything: jobs in each state, letters, a worker, a pause."""

import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx
import redis

from monarq.jobs.errors import JobUnsuccessful
from monarq.jobs.store.keys import JOB, QUEUES, WORKER, queue_keys
from tests.integration.cli.stage import eventually

from .shop import Parcel, charge, reject, render, ship, sync, welcome
from .stack import Stack

#: Where words of users end up on pages; each would run if a page took it for HTML, a script or an address.
CORPUS = (
    "<script>window.ran=1</script>",
    "</script><script>window.ran=1</script>",
    "<img src=x onerror=window.ran=1>",
    '"><svg onload=window.ran=1>',
    "' autofocus onfocus=window.ran=1 x='",
    "</title></textarea></style><script>window.ran=1</script>",
    "javascript:window.ran=1",
    "{{7*'7'}}${window.ran=1}",
    "--><script>window.ran=1</script><!--",
    "<iframe srcdoc='<script>parent.ran=1</script>'>",
    "<details open ontoggle=window.ran=1>",
    '<a href="javascript:window.ran=1">x</a>',
    "<math><mtext><table><mglyph><style><img src=x onerror=window.ran=1>",
    "\u2028</pre><script>window.ran=1</script>",
    "<div hx-get=/ hx-trigger=load hx-on:click=window.ran=1>x</div>",
)


#: Where the API lists what a parameter of a path names.
_LOOK_UPS = {
    "user_id": ("/v1/users", "id"),
    "token_id": ("/v1/tokens", "id"),
    "worker": ("/v1/workers", "worker"),
    "fingerprint": ("/v1/dead-letters/groups", "fingerprint"),
    "operation_id": ("/v1/operations", "id"),
}


def _replay(api: httpx.Client, job_id: str) -> None:
    """An operation on one letter, from its beginning to its end."""
    order = {"action": "replay", "filter": {"ids": [job_id]}}
    token = api.post("/v1/operations", json=order).json()["token"]
    begun = api.post("/v1/operations", json=order | {"dry_run": False, "token": token})
    assert begun.status_code == 202, begun.text
    where = f"/v1/operations/{begun.json()['id']}"
    eventually(lambda: api.get(where).json()["state"] == "done")


class Town:
    """Fills a stack; what is there is found by the names that path parameters have."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.found: dict[str, str] = {}

    def build(self, jobs: int = 3) -> "Town":
        """Let jobs come to every state, `jobs` of each kind, with one worker that goes on."""
        producer = self.stack.producer
        self.stack.worker()
        self.stack.login({"role": "viewer"}, name="ann")
        ended = [producer.enqueue(welcome.of(f"ann-{n}@example.com"), tags=["vip"]) for n in range(jobs)]
        ended += [producer.enqueue(ship.of(1000 + n, [Parcel(sku="ink", grams=20 + n)])) for n in range(jobs)]
        dead = [producer.enqueue(charge.of(order=1000 + n, cents=990)) for n in range(jobs)]
        refused = producer.enqueue(sync.of("north"))
        running = producer.enqueue(render.of("2026-10"))
        producer.enqueue(welcome.of("later@example.com"), delay=timedelta(hours=2), priority="low")
        for handle in (*ended, *dead):
            with suppress(JobUnsuccessful):
                handle.result(timeout=60)
        self.stack.wait(lambda: str(refused.status()) == "retrying")
        with self.stack.api() as api:
            paused = api.post("/v1/queues/stock/pause", json={"why": "the warehouse counts"})
            assert paused.status_code == 200, paused.text
            _replay(api, dead[-1].job_id)
        self.stack.wait(lambda: str(dead[-1].status()) == "dead")  # once more
        producer.enqueue(sync.of("south"))
        self.stack.wait(lambda: str(running.status()) == "running")
        self._look_up()
        self.found |= {"queue": "mail", "kind": charge.kind, "job_id": dead[0].job_id, "secret": "none"}
        self.stack.wait(lambda: self.stack.sql("SELECT 1 FROM monarq.jobs WHERE state = 'dead'"))
        return self

    def _look_up(self) -> None:
        """Ids that the stack has given by itself."""
        with self.stack.api() as api:
            of_none = {"action": "replay", "filter": {"queue": "nowhere"}}
            token = api.post("/v1/operations", json=of_none).json()["token"]
            api.post("/v1/operations", json={**of_none, "dry_run": False, "token": token})
            for name, (path, member) in _LOOK_UPS.items():
                [item, *_] = self.stack.wait(lambda path=path: api.get(path).json()["items"])
                self.found[name] = str(item[member])

    def add_long(self) -> tuple[str, str]:
        """A job whose every name is as long as it may be: its id, and its queue."""
        job_id, queue = "order/" + "0123456789abcdef" * 7, "generated-" + "x" * 100
        body = {"m": {"v": 1, "g": ["y" * 60]}, "t": None, "f": "k" * 120, "a": [], "k": {}, "et": 1}
        with redis.Redis.from_url(self.stack.valkey.url) as client:
            client.sadd(QUEUES, queue)
            client.set(JOB + job_id, json.dumps(body))
            client.zadd(queue_keys(queue).ranks[2], {job_id: 1_764_140_000_000})
        return job_id, queue

    def add_hostile(self) -> list[str]:
        """The corpus wherever words of others come from; the ids of jobs whose pages show it."""
        ids = [self._die_of(text) for text in CORPUS]
        self._rows()
        with redis.Redis.from_url(self.stack.valkey.url) as client:
            for number, text in enumerate(CORPUS):
                ids.append(self._plant(client, f"planted-{number}", text))
                self._plant(client, text, text)  # arq lets people choose any id
                client.sadd(QUEUES, text)
            report = {"worker": CORPUS[0], "host": CORPUS[2], "pid": 1, "queues": {CORPUS[3]: 1}, "slots": 1}
            report |= {
                "kinds": list(CORPUS),
                "busy": 0,
                "complete": 0,
                "failed": 0,
                "at_ms": 0,
                "version": CORPUS[2],
            }
            client.set(WORKER + "web-666", json.dumps(report), ex=600)
        with self.stack.api() as api:
            for text in CORPUS:
                api.post("/v1/queues/reports/pause", json={"why": text, "kind": "text.none"})
        return ids

    def _die_of(self, text: str) -> str:
        handle = self.stack.producer.enqueue(reject.of(text))
        with suppress(JobUnsuccessful):
            handle.result(timeout=60)
        return handle.job_id

    def _plant(self, client: Any, job_id: str, text: str) -> str:
        """A job that somebody else has written: nothing of it was checked."""
        body = {"m": {"v": 1, "g": [text]}, "t": None, "f": text, "a": [text], "k": {text: text}, "et": 1}
        client.set(JOB + job_id, json.dumps(body))
        client.zadd(queue_keys("mail").ranks[2], {job_id: 4_102_444_800_000})
        return job_id

    def _rows(self) -> None:
        self.stack.sql(
            "INSERT INTO monarq.jobs (job_id, ended_at, state, queue, kind, priority, tags, worker,"
            " error_type, error_message, fingerprint, reason, by, payload, result, started_at, enqueued_at,"
            " run_ms)"
            " SELECT 'row-' || md5(t), now(), 'dead', t, t, 'normal', ARRAY[t], t, t, t, 'f00d', t, t,"
            " to_jsonb(t), to_jsonb(t), now(), now(), 1 FROM unnest(%s::text[]) AS t",
            list(CORPUS),
        )
