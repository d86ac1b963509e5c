"""A replay from the shell: what it would do, what it does, and how it is stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from typing import Any

import typer

from ..actor import this_actor
from ..errors import StoreError
from ..settings import Settings
from ..store.canary import Canary
from ..store.connection import Link
from ..store.dead_letters import DeadLetters, Origin, Selection, open_dead_letters
from ..store.letter_scan import Progress
from ..store.postgres import open_database_if_named
from ..store.replaying import Plan, Replaying, Stopped
from .auditing import PLACE, note_letters
from .exit_codes import ExitCode
from .output import fail


@asynccontextmanager
async def letters_of(link: Link, settings: Settings) -> AsyncIterator[DeadLetters]:
    """The dead letters, wherever they lie, for the user of this shell."""
    origin = Origin(actor=this_actor(), place=PLACE)
    database = open_database_if_named(settings)
    try:
        yield open_dead_letters(
            link, database, tagged=settings.hash_tags, origin=origin, keep=settings.dead_keep
        )
    finally:
        if database is not None:
            await database.close()


async def replay_many(
    link: Link, settings: Settings, selection: Selection, plan: Plan, on_progress: Progress
) -> Replaying:
    """Replay the letters that are meant; the first Ctrl-C stops it in order."""
    options: dict[str, Any] = {"on_progress": on_progress, "on_canary": _tell_canary()}
    async with letters_of(link, settings) as letters:
        with _stopped_by_signals() as stop:
            replaying = Replaying(letters, link, selection, plan, stop=stop, **options)
            try:
                await replaying.run()
            except StoreError:
                fail(f"{len(replaying.replayed):,} were replayed before this:")
                raise
            finally:
                await note_letters(settings, "dead.replay", selection, replaying.replayed, **asdict(plan))
    return replaying


def tell_of_stop(replaying: Replaying, total: int | None) -> ExitCode:
    """Say on stderr why it ended early, if it did; the exit code.

    `total` is how many letters were meant, if that is known.
    """
    if replaying.stopped is None:
        return ExitCode.OK
    done = len(replaying.replayed)
    why = f"after {done:,}"
    if replaying.stopped is Stopped.CANARY and replaying.canary is not None:
        why = f"{replaying.canary.failed:,} of the first {replaying.canary.size:,} failed again"
    rest = "the others" if total is None or total <= done else f"the other {total - done:,}"
    fail(f"stopped: {why}; {rest} stay dead letters")
    return ExitCode.FAILURE


def _tell_canary() -> Any:
    """Tells on stderr how the first ones fare, when something has changed."""
    told = ""

    def tell(canary: Canary) -> None:
        nonlocal told
        waiting = canary.size - canary.passed - canary.failed
        now = f"canary: {canary.passed:,} succeeded, {canary.failed:,} failed, {waiting:,} to go"
        if now != told:
            told = now
            typer.echo(now, err=True)

    return tell


@contextmanager
def _stopped_by_signals() -> Iterator[asyncio.Event]:
    """An event that the first SIGINT or SIGTERM sets; the second one ends the process as ever."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def begin_to_stop() -> None:
        stop.set()
        typer.echo("stopping; once more ends it at once", err=True)
        forget()

    def forget() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, begin_to_stop)
    try:
        yield stop
    finally:
        forget()
