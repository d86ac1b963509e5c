"""A stack with something of everything: jobs in each state, letters, a worker, a pause, people, an operation."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from .shop import Parcel, charge, reject, render, ship, sync, welcome
from .stack import Stack

#: Where words of users end up on pages; each would run if a page took it for HTML, a script or an address.
CORPUS = (
    "<script>window.ran=1</script>",
    "</script><script>window.ran=1</script>",
    "<img src=x onerror=window.ran=1>",
    "\"><svg onload=window.ran=1>",
    "' autofocus onfocus=window.ran=1 x='",
    "</title></textarea></style><script>window.ran=1</script>",
    "javascript:window.ran=1",
    "{{7*'7'}}${window.ran=1}",
    "--><script>window.ran=1</script><!--",
    "<iframe srcdoc='<script>parent.ran=1</script>'>",
    "<details open ontoggle=window.ran=1>",
    "<a href=\"javascript:window.ran=1\">x</a>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.ran=1>",
    "\u2028</pre><script>window.ran=1</script>",
    "<div hx-get=/ hx-trigger=load hx-on:click=window.ran=1>x</div>",
)


class Town:
    """Fills a stack; what is there is found by the names that path parameters have."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.found: dict[str, str] = {}

    def build(self, jobs: int = 3) -> "Town":
        """Let jobs come to every state, `jobs` of each kind, with one worker that goes on."""
        producer = self.stack.producer
        self.stack.worker()
        ended = [producer.enqueue(welcome.of(f"ann-{n}@example.com"), tags=["vip"]) for n in range(jobs)]
        ended += [producer.enqueue(ship.of(1000 + n, [Parcel(sku="ink", grams=20 + n)])) for n in range(jobs)]
        dead = [producer.enqueue(charge.of(order=1000 + n, cents=990)) for n in range(jobs)]
        producer.enqueue(sync.of("north"))
        running = producer.enqueue(render.of("2026-10"))
        producer.enqueue(welcome.of("later@example.com"), delay=timedelta(hours=2), priority="low")
        for handle in (*ended, *dead):
            with suppress(Exception):
                handle.result(timeout=60)
        with self.stack.api() as api:
            paused = api.post("/v1/queues/stock/pause", json={"why": "the warehouse counts"})
            assert paused.status_code == 200, paused.text
        producer.enqueue(sync.of("south"))
        self.stack.wait(lambda: str(running.status()) == "running")
        self.found |= {"queue": "mail", "kind": charge.kind, "job_id": dead[0].job_id, "secret": "none"}
        self.stack.wait(lambda: self.stack.sql("SELECT 1 FROM monarq.jobs WHERE state = 'dead'"))
        return self

    def add_hostile(self, corpus: Iterable[str] = CORPUS) -> list[str]:
        """Jobs whose arguments, tags, ids and errors are hostile, and a queue and a kind of such names; their ids."""
        producer = self.stack.producer
        handles: list[Any] = []
        for number, text in enumerate(corpus):
            handles.append(producer.enqueue(welcome.of(text), tags=[text[:60]]))
            handles.append(producer.enqueue(reject.of(text), tags=[f"tag-{number}"]))
            handles.append(producer.enqueue(welcome.of(text), delay=timedelta(hours=3), tags=[text[:60]]))
        for handle in handles:
            with suppress(Exception):
                handle.result(timeout=0 if handle in handles[2::3] else 60)
        return [handle.job_id for handle in handles]
