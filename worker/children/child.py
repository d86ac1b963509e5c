"""A child: runs the jobs that its worker hands it, one at a time.  `python -m monarq.worker.children.child`.

It is a worker without a queue: the same pipeline, hooks and context, and no connection to Redis but the app's
own.  A thread listens to the worker, so that a job that keeps this process busy can still be told to stop.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import sys
import threading
from dataclasses import replace
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, BinaryIO

import structlog

from monarq.jobs.cancel_note import CancelNote
from monarq.jobs.cli.session import configure_log
from monarq.jobs.codec import Codecs
from monarq.jobs.context import JobContext
from monarq.jobs.envelope import Envelope, is_durable
from monarq.jobs.failure import Cause
from monarq.jobs.handler import Handler, RunIn
from monarq.jobs.settings import Settings
from monarq.jobs.store.arq_json import deserialize, serialize
from monarq.jobs.store.arq_pool import open_pool
from monarq.jobs.store.postgres import open_database_if_named
from monarq.jobs.tracing import join

from ..executor import Executor
from ..loop import new_event_loop
from ..options import foreign_codec
from ..run import Run
from ..runnable import Call, Runnable
from ..threads import Threads
from . import frames, sources, system, wire
from .frames import Facts
from .interrupt import Interrupt
from .recipe import Recipe, read_recipe

if TYPE_CHECKING:
    from ..once import Effects

log = structlog.get_logger("monarq.worker")

#: The exit code of a child whose worker is gone.
_ORPHANED = 70


class Child:
    """Takes orders from a connection, and answers on it."""

    def __init__(self, recipe: Recipe, connection: socket.socket, orders: BinaryIO) -> None:
        self._recipe = recipe
        self._connection = connection
        self._orders = orders
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._runnables: dict[str, Runnable] = {}
        self._run: Run | None = None
        self._interrupt = Interrupt()
        self._ctx: dict[Any, Any] = {}
        hooks, settings = recipe.hooks, recipe.settings
        codec = foreign_codec(settings, hooks["job_serializer"], hooks["job_deserializer"])
        self._effects = _effects_of(settings)
        self._executor = Executor(
            self._runnables,
            Codecs(codec),
            worker_id=recipe.worker_id,
            shared=self._ctx,
            max_crashes=settings.max_crashes,
            threads=Threads(1),
            effects=self._effects,
            on_job_start=hooks["on_job_start"],
            on_job_end=hooks["on_job_end"],
            honour_retry=recipe.honour_retry,
        )

    async def serve(self) -> None:
        """Run jobs until told to end."""
        hooks = self._recipe.hooks
        pool = self._ctx["redis"] = await open_pool(
            self._recipe.redis,
            job_serializer=hooks["job_serializer"] or serialize,
            job_deserializer=hooks["job_deserializer"] or deserialize,
            default_queue_name=self._recipe.queue_name,
        )
        if (on_startup := hooks["on_startup"]) is not None:
            await on_startup(self._ctx)
        threading.Thread(target=self._listen, name="monarq-orders", daemon=True).start()
        await self._ended.wait()
        if (on_shutdown := hooks["on_shutdown"]) is not None:
            await on_shutdown(self._ctx)
        await pool.aclose(close_connection_pool=True)
        if self._effects is not None:
            await self._effects.close()

    # --- the thread that listens

    def _listen(self) -> None:
        while True:
            try:
                order, body = frames.read(self._orders)
            except (EOFError, OSError):
                os._exit(_ORPHANED)  # another worker may run this job from now on
            match order["do"]:
                case "run":
                    self._interrupt.forget()
                    self._loop.call_soon_threadsafe(self._begin, order, body)
                case "stop":
                    cause, note = Cause(order["cause"]), CancelNote(**order["note"])
                    self._interrupt.ask(cause)  # a plain function keeps the loop busy, too
                    self._loop.call_soon_threadsafe(self._stop, cause, note)
                case _:
                    self._loop.call_soon_threadsafe(self._ended.set)
                    return

    # --- the event loop

    def _begin(self, order: Facts, body: bytes) -> None:
        claimed = wire.read_claimed(order["claimed"], body)
        self._run = run = Run(claimed, order["fence"], leased_until=inf)
        run.is_durable = is_durable(claimed.body)
        self._interrupt.begin(run)
        run.task = self._loop.create_task(self._attempt(run, order["source"], order["trace"]))

    def _stop(self, cause: Cause, note: CancelNote) -> None:
        if self._run is not None:
            self._run.cancel_note = note
            # after the first step of its task: one that was cancelled before it would never answer
            self._loop.call_soon(self._run.stop, cause)

    async def _attempt(self, run: Run, source: Facts, trace: str | None) -> None:
        self._load(source)
        if trace is not None:  # what the job does here belongs to the span that its worker has opened
            join(trace)
        self._say({"began": True})
        outcome = await self._executor.attempt(run)
        told, result = wire.pack_outcome(outcome)
        self._say(told | {"resident_bytes": system.resident_bytes()}, result)

    def _load(self, source: Facts) -> None:
        """A kind that cannot be loaded stays unknown; its jobs go back to the queue."""
        kind = source["kind"]
        if kind in self._runnables:
            return
        try:
            self._runnables[kind] = _here(sources.load(source), self._interrupt)
        except Exception:  # of the app's module, whatever it is
            log.exception("worker.kind_not_loaded", kind=kind)

    def _say(self, facts: Facts, blob: bytes = b"") -> None:
        try:
            self._connection.sendall(frames.pack(facts, blob))
        except OSError:
            os._exit(_ORPHANED)


def _here(runnable: Runnable, interrupt: Interrupt) -> Runnable:
    """A kind that is to run in a process runs in this one: on its loop, or instead of its loop."""
    handler = runnable.origin
    if runnable.run_in is not RunIn.PROCESS or not isinstance(handler, Handler):
        return runnable
    is_async = inspect.iscoroutinefunction(handler.function)
    limit = handler.policy.memory_limit

    def bind(envelope: Envelope) -> Call:
        call = runnable.bind(envelope)

        async def limited(ctx: JobContext) -> Any:
            with system.memory_limit(limit):
                return await call(ctx) if is_async else interrupt.call(partial(call, ctx))

        return limited

    return replace(runnable, bind=bind, run_in=RunIn.LOOP)


def _effects_of(settings: Settings) -> Effects | None:
    """By a database of the child's own; it is reached when a job first needs it."""
    database = open_database_if_named(settings)
    if database is None:
        return None
    from ..once import Effects  # it imports what need not be installed

    return Effects(database, settings.once_idle_timeout)


async def _serve(recipe: Recipe, connection: socket.socket, orders: BinaryIO) -> None:
    structlog.contextvars.bind_contextvars(worker=recipe.worker_id)
    await Child(recipe, connection, orders).serve()


def main(descriptor: int, parent: int) -> None:
    """Serve the worker with this process id, over the socket with this descriptor."""
    system.die_with(parent)
    system.be_first_to_die()
    system.leave_signals_to_worker()
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)  # what a job starts must not keep it open
    orders = connection.makefile("rb")
    facts, _ = frames.read(orders)
    recipe = read_recipe(facts)
    configure_log(recipe.settings)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(recipe, connection, orders))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
