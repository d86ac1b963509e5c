"""The show from beginning to end."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from monarq.jobs import State
from monarq.jobs.errors import JobRejected
from monarq.jobs.settings import load_settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.dead_letters import open_dead_letters
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.database import Database
from monarq.producer import Producer

from . import plan, report
from .collecting import Asked, collect
from .incident import Crash, kill_a_worker
from .ledger import Ledger, verdict
from .mail_server import MailServer, serving
from .order_act import order_act
from .order_books import OrderBooks
from .pages import login_address
from .pictures import paint_all
from .progress import Progress, Tally, ended
from .receiver import FINE, Receiver
from .screen import Screen
from .stack import WORKERS, Stack, empty

#: From the first line until the jobs of the first act have ended; twenty seconds are usual.
TIME_LIMIT = 100.0
_LOOK_EVERY = 0.2
#: Short, so that one sees the rescue; still patient with a machine that is busy otherwise.
_LEASE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Stage:
    """All that takes part."""

    folder: Path
    stack: Stack
    receiver: Receiver
    mail: MailServer
    link: Link
    database: Database
    producer: Producer


class Show:
    """One run of the demo.

    Args:
        folder: Where its data lie; emptied first.
        screen: Where it is seen.
        stays: After the verdict, keep everything up until cancelled.
    """

    def __init__(self, folder: Path, screen: Screen, *, stays: bool) -> None:
        self._folder = folder.resolve()
        self._screen = screen
        self._stays = stays
        self._stack: Stack | None = None
        self._crash: Crash | None = None
        self._began = time.monotonic()
        #: 0 or 1 once there is a verdict.
        self.exit_code: int | None = None

    async def run(self) -> int:
        """Run it, and return the exit code; cancelled, it stops all processes first.

        Raises:
            MonarqError: Something did not start, or ended by itself.
        """
        empty(self._folder)
        painting = asyncio.create_task(asyncio.to_thread(paint_all, self._folder / "images", plan.PICTURES))
        async with self._staged() as stage:
            with self._screen:
                asked = await self._enqueue(stage, painting)
                tallies = await self._play(stage, asked)
                ledger = await self._collect(stage, asked)
                # the last act, since Redis will forget all of this in it
                books = await self._take_orders(stage)
                letters = await open_dead_letters(stage.link, stage.database).list()
            pages = await login_address(stage.stack, stage.link, stage.database)
            self.exit_code = self._tell(stage, replace(ledger, orders=books, letters=letters), pages)
            if self._stays:
                await self._stay(stage, tallies)
        return self.exit_code

    def hurry(self) -> None:
        """Stop without waiting for the jobs that run."""
        if self._stack is not None:
            self._stack.hurry()

    # --- the acts

    @asynccontextmanager
    async def _staged(self) -> AsyncIterator[Stage]:
        secret = secrets.token_hex(16)
        # the workers are stopped before the servers that they talk to
        with Receiver(secret) as receiver:
            async with serving() as mail:
                self._screen.say(
                    f"starting a Valkey, a PostgreSQL, {WORKERS} workers and the dashboard by `monarq dev`"
                )
                self._stack = Stack(self._folder, _environ(self._folder, secret, mail))
                async with self._stack as stack, _connected(stack) as (link, database, producer):
                    yield Stage(self._folder, stack, receiver, mail, link, database, producer)

    async def _enqueue(self, stage: Stage, painting: Awaitable[Sequence[Path]]) -> list[Asked]:
        self._screen.say("the stack is up")
        self._screen.say(f"the dashboard (this logs you in, once): {stage.stack.dashboard_url}")
        pictures = await painting
        self._screen.say(f"{plan.PICTURES} pictures are painted")
        _hide(pictures[-plan.LATE_PICTURES :])
        planned = [
            *plan.webhooks(stage.receiver.url),
            *plan.mails(),
            *plan.thumbnails(pictures, stage.folder / "thumbnails"),
        ]
        asked = await _enqueue_all(stage.producer, planned)
        self._screen.say(f"{len(asked)} jobs are enqueued")
        return asked

    async def _play(self, stage: Stage, asked: Sequence[Asked]) -> list[Tally]:
        """Show the progress until every job has ended, or the time is up."""
        progress = Progress(stage.link)
        events = [
            asyncio.create_task(self._let_a_worker_crash(stage, asked)),
            asyncio.create_task(self._finish_the_uploads(stage, asked)),
        ]
        try:
            while True:
                tallies = await progress.look()
                self._screen.show(tallies, progress.rate)
                stage.stack.check()
                _raise_faults(events)
                if ended(tallies) >= len(asked):
                    return tallies
                if time.monotonic() > self._began + TIME_LIMIT:
                    self._screen.say(f"the time is up: {TIME_LIMIT:g} s")
                    return tallies
                await asyncio.sleep(_LOOK_EVERY)
        finally:
            for event in events:
                event.cancel()
            await asyncio.gather(*events, return_exceptions=True)

    async def _let_a_worker_crash(self, stage: Stage, asked: Sequence[Asked]) -> None:
        slow = [one.job_id for one in asked if one.planned.slow]
        self._crash = await kill_a_worker(stage.link, slow)
        held = len(self._crash.orphans)
        self._screen.say(
            f"kill -9 {self._crash.pid}: a worker dies, and holds {held} jobs; its leases end within"
            f" {_LEASE_SECONDS} s"
        )

    async def _finish_the_uploads(self, stage: Stage, asked: Sequence[Asked]) -> None:
        """Let the late pictures arrive, once each of their jobs has failed for want of them."""
        waiting = [one.handle for one in asked if one.planned.late]
        while waiting:
            states = await asyncio.gather(*(handle.status() for handle in waiting))
            pairs = zip(waiting, states, strict=True)
            waiting = [handle for handle, state in pairs if state is not State.RETRYING]
            await asyncio.sleep(_LOOK_EVERY)
        pictures = _reveal(stage.folder / "images")
        self._screen.say(f"{pictures} pictures that were still on their way have arrived")

    async def _collect(self, stage: Stage, asked: Sequence[Asked]) -> Ledger:
        return await collect(
            stage.link,
            asked,
            receiver=stage.receiver,
            mail=stage.mail,
            crash=self._crash,
            seconds=time.monotonic() - self._began,
        )

    async def _take_orders(self, stage: Stage) -> OrderBooks:
        say = self._screen.say
        say("now an order service, with a database: every order is committed together with its two jobs")
        async with order_act(stage.stack, stage.link, stage.producer, stage.folder, say) as act:
            return await act.run()

    def _tell(self, stage: Stage, ledger: Ledger, pages: str) -> int:
        faults = verdict(ledger)
        tell = self._screen.tell
        tell(report.what_happened(ledger))
        if faults:
            tell(report.not_as_it_should_be(faults))
        if self._stays:
            stage.receiver.mended = True
            tell(report.what_to_try(stage.stack, ledger, stage.receiver.url(FINE, 0), pages))
        else:
            tell(report.how_to_stay(stage.stack))
        return 1 if faults else 0

    async def _stay(self, stage: Stage, before: Sequence[Tally]) -> None:
        """Tell of whatever the audience does."""
        progress = Progress(stage.link)
        shown = _standing(before)
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            stage.stack.check()
            standing = _standing(await progress.look())
            if standing != shown:
                self._screen.say(standing)
                shown = standing


@asynccontextmanager
async def _connected(stack: Stack) -> AsyncIterator[tuple[Link, Database, Producer]]:
    settings = load_settings(redis_url=stack.url, database_url=stack.database_url)
    link, database, producer = Link(from_url(stack.url)), open_database(settings), Producer(settings)
    try:
        yield link, database, producer
    finally:
        await producer.close()
        await database.close()
        await link.close()


def _environ(folder: Path, secret: str, mail: MailServer) -> dict[str, str]:
    return {
        "MONARQ_JOBS": "monarq.jobs.catalog,demo.shop",
        "MONARQ_QUEUES": "mail=2,webhooks=2,images=1,orders=2",
        # a process of its own does it, which will be killed
        "MONARQ_RELAY": "false",
        # few, so that there is something to see
        "MONARQ_CONCURRENCY": "8",
        "MONARQ_LEASE": str(_LEASE_SECONDS),
        "MONARQ_DRAIN_TIMEOUT": "5",
        "MONARQ_WEBHOOK_SECRET": secret,
        "MONARQ_WEBHOOK_ALLOW_PRIVATE": "true",
        "MONARQ_SMTP_URL": mail.url,
        "MONARQ_SMTP_FROM": "Monarq demo <demo@example.com>",
        "MONARQ_MEDIA_ROOT": str(folder),
    }


async def _enqueue_all(producer: Producer, planned: Sequence[plan.Planned]) -> list[Asked]:
    """Single calls at once, which travel together, and the rest in bulk."""
    alone = [one for one in planned if one.alone]
    handles = await asyncio.gather(
        *(
            producer.enqueue(one.order.call, priority=one.order.priority, queue=one.order.queue)
            for one in alone
        )
    )
    bulk = [one for one in planned if not one.alone]
    asked = [Asked(one, handle) for one, handle in zip(alone, handles, strict=True)]
    for one, outcome in zip(bulk, await producer.enqueue_many(one.order for one in bulk), strict=True):
        if isinstance(outcome, JobRejected):
            raise outcome
        asked.append(Asked(one, outcome))
    return asked


def _hide(pictures: Iterable[Path]) -> None:
    for picture in pictures:
        picture.rename(picture.with_name(f"{picture.name}.part"))


def _reveal(folder: Path) -> int:
    parts = list(folder.glob("*.part"))
    for part in parts:
        part.rename(part.with_suffix(""))
    return len(parts)


def _raise_faults(events: Iterable[asyncio.Task[None]]) -> None:
    for event in events:
        if event.done():
            event.result()


def _standing(tallies: Sequence[Tally]) -> str:
    """In one line what stands still unless somebody does something."""
    numbers = {
        "enqueued": sum(tally.counter("enqueued") for tally in tallies),
        "succeeded": sum(tally.counter("succeeded") for tally in tallies),
        "dead": sum(tally.counter("dead") for tally in tallies),
    }
    return ", ".join(f"{number} {name}" for name, number in numbers.items())
