"""`monarq reconcile`: bring Redis up to what PostgreSQL knows of durable jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ..settings import Settings
from ..store.address import from_url
from ..store.connection import Link
from ..store.postgres import open_database
from .auditing import note
from .commands import new_commands
from .exit_codes import ExitCode
from .output import AsJson, print_json, print_table
from .progress import progress
from .session import read_settings

if TYPE_CHECKING:
    from ..store.postgres.reconciling import Difference, Reconciler, Restored

app = new_commands()

T = TypeVar("T")

_MEANING = {
    "missing": "Redis has lost them",
    "behind": "Redis has lost some of their attempts",
    "ended": "they wait in Redis, but have ended; who claims them sees it, and does not run them",
}


@app.command()
def reconcile(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; end with 1 if there is something to restore.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Restore the durable jobs that Redis has lost, from PostgreSQL.

    Workers do so by themselves within seconds after Redis was flushed, has restarted or failed over.  Safe
    while they run, and to repeat.
    """
    settings = read_settings()
    if check:
        _show_difference(_with_reconciler(settings, _difference), as_json=as_json)
    else:
        began = time.monotonic()
        restored = _with_reconciler(settings, partial(_restore, settings))
        _show_restored(restored, time.monotonic() - began, as_json=as_json)


async def _difference(reconciler: Reconciler) -> Difference:
    with progress("comparing", await reconciler.count()) as on_progress:
        return await reconciler.difference(on_progress)


async def _restore(settings: Settings, reconciler: Reconciler) -> Restored:
    with progress("restoring", await reconciler.count()) as on_progress:
        restored = await reconciler.restore(on_progress)
    assert restored is not None  # nobody else's work is waited for
    if restored.restored or restored.renumbered:
        await note(settings, "reconcile", [("durable jobs", asdict(restored))])
    return restored


def _show_difference(found: Difference, *, as_json: bool) -> None:
    if as_json:
        print_json({"in_step": found.is_none, **asdict(found)})
    else:
        rows = [
            {"jobs": jobs.count, "what": what, "meaning": meaning, "such as": ", ".join(jobs.samples[:3])}
            for what, meaning in _MEANING.items()
            if (jobs := getattr(found, what)).count
        ]
        if found.loss:
            typer.echo(f"Redis may have lost jobs: {found.loss}", err=True)
        nothing = f"no difference; {found.open} durable jobs have not ended"
        print_table(("jobs", "what", "meaning", "such as"), rows, nothing=nothing)
    if not found.is_none:
        raise typer.Exit(ExitCode.FAILURE)


def _show_restored(done: Restored, seconds: float, *, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(done), "seconds": round(seconds, 3)})
        return
    typer.echo(
        f"restored {done.restored} of {done.open} durable jobs in {seconds:.1f} s"
        + (f"; mended the numbers of {done.renumbered} more" if done.renumbered else "")
    )


def _with_reconciler(settings: Settings, work: Callable[[Reconciler], Awaitable[T]]) -> T:
    return asyncio.run(_open(settings, work))


async def _open(settings: Settings, work: Callable[[Reconciler], Awaitable[T]]) -> T:
    database = open_database(settings)
    from ..store.postgres.reconciling import Reconciler  # it imports what need not be installed

    link = Link(from_url(settings.redis_url.get_secret_value()))
    try:
        return await work(Reconciler(link, database, lease=settings.lease, tagged=settings.hash_tags))
    finally:
        await link.close()
        await database.close()
