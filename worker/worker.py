"""The worker: arq's, with everything between fetch and finish replaced by services of one duty each."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from secrets import token_hex
from signal import Signals
from typing import TYPE_CHECKING, Any, Unpack, cast

import arq.worker
import structlog
from arq.connections import RedisSettings
from arq.utils import to_seconds
from arq.worker import Function

from monarq.jobs.codec import Codecs
from monarq.jobs.envelope import is_durable
from monarq.jobs.handler import Handler
from monarq.jobs.registry import Registry
from monarq.jobs.settings import Settings, load_settings
from monarq.jobs.store.address import Address, from_arq, from_pool, from_url, to_arq
from monarq.jobs.store.arq_json import deserialize, serialize
from monarq.jobs.store.arq_pool import open_pool
from monarq.jobs.store.connection import Link
from monarq.jobs.store.orders import DrainOrder
from monarq.jobs.store.postgres import open_database_if_named
from monarq.jobs.store.verbs import Claimed, Settlement, fence

from . import signals
from .after_job import AfterJob
from .children import Children
from .children.recipe import Recipe, check_importable, hooks_of
from .completer import Batch, Completer
from .drain import LAST_GRACE, Drain
from .durability import Durability
from .events import WorkerEvents
from .executor import Executor
from .fetcher import Fetcher
from .grace import Grace
from .heartbeat import Heartbeat
from .heartbeat_job import BUILT_IN
from .journal import Journal
from .loop import calm_collector, ensure_loop, step_back
from .maintenance import duties as background
from .maintenance.arq_health import ArqHealth
from .maintenance.cron import Cron
from .maintenance.duties import Duty
from .maintenance.queue_duties import queue_duties
from .maintenance.server_watch import ServerWatch
from .options import ArqOptions, foreign_codec, poll_seconds, queue_weights
from .report import Reporter
from .run import Run, arm_all, now_ms
from .runnable import ArqDefaults, all_runnables, as_arq
from .settlement import end_of, handed_back
from .slots import Slots
from .spans import Spans
from .threads import Threads
from .vitals import Vitals, pairs_of
from .watchdog import Watchdog

if TYPE_CHECKING:
    from .persistence import Persistence

log = structlog.get_logger("monarq.worker")

#: The exit code of a worker that could not finish all of its jobs in time (sysexits' EX_TEMPFAIL).
EXIT_HANDED_BACK = 75

AnyFunction = Function | Handler[..., Any] | Callable[..., Coroutine[Any, Any, Any]]


class Worker(arq.worker.Worker):
    """Runs jobs until it is told to stop.

    Takes arq's constructor arguments with arq's meanings (see `ArqOptions`), and besides:

    Args:
        functions: Typed handlers, and functions of arq's.
        queues: What to serve instead of `queue_name`: names in strict order, or names with weights.
        settings: Where arq's arguments are silent; by default from the environment (`MONARQ_…`).
        retry_errors: Run functions of arq's again after an ordinary exception, too.  Typed jobs always do.

    Raises:
        DuplicateKind: Two handlers have one kind.
        NotImportable: A kind is to run in a process, and no child could import it, or a hook.
        ConfigError: The environment's settings cannot be read.
    """

    slots: Slots
    fetcher: Fetcher
    executor: Executor
    threads: Threads
    children: Children
    completer: Completer
    durability: Durability
    heartbeat: Heartbeat
    watchdog: Watchdog
    grace: Grace
    drain: Drain
    server_watch: ServerWatch
    events: WorkerEvents
    vitals: Vitals
    #: None if the settings name no database.
    persistence: Persistence | None

    def __init__(
        self,
        functions: Sequence[AnyFunction] = (),
        *,
        queues: Mapping[str, int] | Sequence[str] | None = None,
        settings: Settings | None = None,
        retry_errors: bool = False,
        **arq_options: Unpack[ArqOptions],
    ) -> None:
        self.settings = settings or load_settings()
        handlers = Registry(function for function in functions if isinstance(function, Handler))
        plain = [function for function in functions if not isinstance(function, Handler)]
        self._wants_signals = arq_options.pop("handle_signals", True)
        poll_given = arq_options.get("poll_delay")
        arq_options.setdefault("max_jobs", self.settings.concurrency)
        if arq_options.get("redis_pool") is None and arq_options.get("redis_settings") is None:
            arq_options["redis_settings"] = to_arq(from_url(self.settings.redis_url.get_secret_value()))
        ensure_loop()
        super().__init__(
            functions=[*cast(list[Function], plain), *map(as_arq, handlers)],
            handle_signals=False,
            **cast(dict[str, Any], arq_options),
        )
        self.worker_id = f"{socket.gethostname().split('.')[0]}-{os.getpid()}-{token_hex(3)}"
        self.journal = Journal(self.settings.log_ends)
        self.runs: set[Run] = set()
        self.exit_code = 0
        self._poll = poll_seconds(self.settings, poll_given, has_arq_functions=bool(plain or self.cron_jobs))
        self._weights = queue_weights(queues, self.queue_name, tagged=self.settings.hash_tags)
        defaults = ArqDefaults.of(self, retry_errors=retry_errors)
        self._runnables = all_runnables(self.functions, handlers, defaults)
        check_importable(self._runnables.values(), hooks_of(self))
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._closed = False

    # --- what arq calls

    def run(self) -> None:
        """Run in this thread until stopped or, in burst mode, until nothing waits; then close all.

        Here, not in `main`, the process steps back as far as `nice` says: here it is the worker's own.
        """
        calm_collector()
        step_back(self.settings.nice)
        self.main_task = self.loop.create_task(self.main())
        try:
            self.loop.run_until_complete(self.main_task)
        except asyncio.CancelledError:
            log.info("worker.cancelled")
        finally:
            self.loop.run_until_complete(self.close())

    async def main(self) -> None:
        """The life of a worker.

        Raises:
            ConfigError: The server would lose jobs.
            StoreUnavailable: It does not answer, after arq's `conn_retries`.
        """
        self.loop = asyncio.get_running_loop()
        structlog.contextvars.bind_contextvars(worker=self.worker_id)
        await self._connect()
        remove_signals = self._listen() if self._wants_signals else None
        duties: list[asyncio.Task[None]] = []
        try:
            self.vitals.begin()
            await self.server_watch.refuse_unfit()
            if self.on_startup:
                await self.on_startup(self.ctx)
            self.executor.spans = Spans.if_recorded(self.settings, self.worker_id)
            self.heartbeat.start()
            self.watchdog.start()
            duties = background.start(self._duties)
            self.vitals.started(self._queue_names(), kinds=len(self._runnables))
            await self.fetcher.run()
        except asyncio.CancelledError:
            self._hurry.set()
            raise
        finally:
            await self._shut_down()
            await background.stop(duties)
            if remove_signals is not None:
                remove_signals()

    async def close(self) -> None:
        """Close the connections, after `on_shutdown`.  Safe to call twice."""
        if self._pool is None or self._closed:
            return
        self._closed = True
        if self.main_task is not None and not self.main_task.done():
            self.handle_sig(signal.SIGTERM)
            await asyncio.wait([self.main_task], timeout=self._drain_seconds() + 2 * LAST_GRACE)
        await asyncio.gather(*self.job_tasks.values(), return_exceptions=True)
        await self._arq_health.forget()
        try:
            if self.on_shutdown:
                await self.on_shutdown(self.ctx)
        finally:
            for link in self._links:
                await link.close()
            await self.pool.aclose(close_connection_pool=True)
            if self.persistence is not None:
                await self.persistence.close()
            self._pool = None

    def handle_sig(self, signum: Signals) -> None:
        """Stop: the first time within the drain time, the second time at once."""
        if self._stopping.is_set():
            self._hurry.set()
            return
        log.info("worker.stopping", signal=Signals(signum).name, running=len(self.runs))
        self._stopping.set()
        self.allow_pick_jobs = False
        if hasattr(self, "fetcher"):
            self.fetcher.stop()
        if self.on_stop:
            self.on_stop(signum)

    # --- one job's way through the worker

    def _start(self, jobs: list[Claimed], leased_until: float) -> None:
        worker_id, now = self.worker_id, now_ms()  # one look at the clock for all
        runs = [Run(one, fence(worker_id, one.starts), leased_until, started_ms=now) for one in jobs]
        self.runs.update(runs)
        if self._stopping.is_set():
            for run in runs:
                self.completer.add(run, handed_back(run))
            return
        self.slots.busy += len(runs)
        if durable := [run for run in runs if is_durable(run.claimed.body)]:
            self.durability.begin(durable)
        for run in runs:
            run.task = self.loop.create_task(self._attempt(run))
        # after the first step of each: most short jobs are done by then, and need no timer at all
        self.loop.call_soon(arm_all, runs, self.loop)
        if self.events.is_open:
            self.loop.call_soon(self.events.started, runs)

    async def _attempt(self, run: Run) -> None:
        outcome = await (self.durability if run.is_durable else self.executor).attempt(run)
        if self.vitals.wants_times and (run.is_durable or not run.ended_ms):  # who made a record has looked
            run.ended_ms = now_ms()
        self.slots.busy -= 1
        self.fetcher.notify()
        if run in self.runs and not run.is_abandoned:
            end = end_of(run, outcome)
            if run.span is not None:
                run.span.leave(end)
            self.completer.add(run, end)

    def _settled(self, batch: Batch, settlements: Sequence[Settlement]) -> None:
        self.runs.difference_update(run for run, _ in batch)
        self.journal.settled(batch, settlements)
        if self.persistence is not None:
            self.persistence.settled(batch, settlements)
        if self.events.is_open:
            self.events.settled(batch, settlements)
        self._after_job.begin(batch)
        if self.vitals.is_on:
            self.vitals.meters.settled(batch, settlements)
        self.jobs_complete, self.jobs_failed = self.journal.complete, self.journal.failed
        self.jobs_retried = self.journal.retried

    # --- start

    async def _connect(self) -> None:
        arq_settings: RedisSettings | None = self.redis_settings
        if self._pool is None:
            self._pool = await open_pool(
                arq_settings,
                job_serializer=self.job_serializer or serialize,
                job_deserializer=self.job_deserializer or deserialize,
                default_queue_name=self.queue_name,
                expires_extra_ms=self.expires_extra_ms,
            )
        self.ctx["redis"] = self._pool
        self._build_services(from_arq(arq_settings) if arq_settings else from_pool(self._pool))

    def _build_services(self, address: Address) -> None:
        claims, blocking, settles, duties = self._links = [Link(address) for _ in range(4)]
        settings, worker_id = self.settings, self.worker_id
        self.persistence = store = self._make_persistence(duties)
        self.slots = Slots(self.max_jobs)
        self._after_job = AfterJob(self.after_job_end, self.job_tasks)
        self.threads = Threads(settings.threads)
        self.children = Children(Recipe.of(self))
        self.executor = Executor(
            {**BUILT_IN, **self._runnables},
            Codecs(foreign_codec(settings, self.job_serializer, self.job_deserializer)),
            worker_id=worker_id,
            shared=self.ctx,
            max_crashes=settings.max_crashes,
            threads=self.threads,
            children=self.children,
            effects=store.effects if store else None,
            on_job_start=self.on_job_start,
            on_job_end=self.on_job_end,
            honour_retry=self.retry_jobs,
        )
        self.durability = Durability(self.executor, store.ledger if store else None)
        self.completer = (
            store.completer(settles, self._settled)
            if store
            else Completer(settles, self._settled, worker_id=worker_id)
        )
        self.fetcher = Fetcher(
            claims,
            blocking,
            self._weights,
            self.slots,
            self._start,
            worker_id=worker_id,
            lease=settings.lease,
            ageing=settings.ageing,
            poll=self._poll,
            burst=self.burst,
            limit=self.max_burst_jobs if self.burst and self.max_burst_jobs >= 0 else None,
        )
        self._build_watchers(address, duties)

    def _build_watchers(self, address: Address, duties: Link) -> None:
        settings, runs = self.settings, lambda: list(self.runs)
        cron = Cron(duties, next(iter(self._weights)), self.cron_jobs, self.timezone)
        pairs = pairs_of(self._runnables, self._weights)
        self.vitals = Vitals(self, duties, pairs, cron.kinds)
        self.watchdog = Watchdog(self.loop, runs, self.journal, self.vitals.meters.lagged)
        report = Reporter(self, self._queue_names(), self._runnables, cron).report
        self.heartbeat = Heartbeat(
            address, self.loop, runs, report, self._obey, self.worker_id, settings.lease
        )
        self.grace = Grace(runs, self.executor.abandon, self.completer, settings.cancel_grace)
        self.drain = Drain(runs, self.completer, self.grace, self._hurry)
        self.server_watch = ServerWatch(duties)
        self.events = WorkerEvents(duties, worker_id=self.worker_id, queues=self._queue_names())
        interval, tell = to_seconds(self.health_check_interval), lambda: self.journal.counters(len(self.runs))
        self._arq_health = ArqHealth(duties, self.health_check_key, interval, tell)
        self._duties = self._make_duties(duties, cron)

    def _make_duties(self, link: Link, cron: Cron) -> tuple[Duty, ...]:
        settings, queues, store = self.settings, self._weights, self.persistence
        return (
            cron,
            self.vitals.cron_successes,
            *queue_duties(link, queues, settings),
            self.server_watch,
            self._arq_health,
            self.grace,
            self.events,
            *((*store.duties, store.schedules(cron)) if store else ()),
        )

    def _make_persistence(self, link: Link) -> Persistence | None:
        database = open_database_if_named(self.settings)
        if database is None:
            return None
        from .persistence import Persistence  # it imports what need not be installed

        return Persistence(database, link, self._weights, self.settings, worker_id=self.worker_id)

    def _queue_names(self) -> dict[str, int]:
        return {queue.name: weight for queue, weight in self._weights.items()}

    def _listen(self) -> Callable[[], None]:
        quiet, dump = self._quiet, lambda _: self.journal.dump(self.runs)
        return signals.install(self.loop, shut_down=self.handle_sig, quiet=quiet, dump=dump)

    def _obey(self, order: DrainOrder) -> None:
        if not self._stopping.is_set():
            log.info("worker.told_to_drain", by=order.by, why=order.why)
            self.handle_sig(signal.SIGTERM)

    def _quiet(self, signum: Signals) -> None:
        self.fetcher.pause(lambda: log.info("worker.quiet", signal=Signals(signum).name))

    # --- stop

    async def _shut_down(self) -> None:
        self.fetcher.stop()
        if not await self.drain.finish(self._drain_seconds()):
            self.exit_code = EXIT_HANDED_BACK
        self.watchdog.stop()
        self.threads.close()
        await self.children.close()
        await self.heartbeat.stop()
        await self.events.close()
        await self.vitals.end()

    def _drain_seconds(self) -> float:
        return float(self._job_completion_wait) or self.settings.drain_timeout.total_seconds()
