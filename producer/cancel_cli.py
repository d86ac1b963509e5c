"""`monarq cancel`: end jobs that wait, stop jobs that run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from monarq.jobs.actor import this_actor
from monarq.jobs.cli.auditing import note
from monarq.jobs.cli.commands import new_commands
from monarq.jobs.cli.exit_codes import ExitCode
from monarq.jobs.cli.output import AsJson, fail, print_json
from monarq.jobs.cli.session import read_settings, with_store
from monarq.jobs.settings import Settings
from monarq.jobs.store.connection import Link
from monarq.jobs.store.keys import DEFAULT_QUEUE, queue_keys
from monarq.jobs.store.queues import queue_of
from monarq.jobs.store.verbs import Cancellation

from .handle import JobHandle
from .producer import Producer

app = new_commands()

_GOOD = {Cancellation.CANCELLED, Cancellation.REQUESTED}
_TOLD = {
    Cancellation.CANCELLED: "cancelled",
    Cancellation.REQUESTED: "asked for; a worker will end it",
    Cancellation.ENDED: "too late: it has ended otherwise",
    Cancellation.UNKNOWN: "no such job: it never existed, or its end is no longer kept",
}


@app.command()
def cancel(
    job_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Job ids.")],
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept with the job's end.")] = "",
    by: Annotated[str | None, typer.Option(help="Who; the user and the host by default.")] = None,
    queue: Annotated[
        str | None, typer.Option("--queue", "-q", help="Where they are; found out by default.")
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0, help="Wait for jobs that run to end, and tell which were cancelled."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Cancel jobs: at once if they wait; the workers of those that run are asked to stop them.

    Ends with 1 if one of the jobs has ended otherwise, is unknown, or did not end in time.
    """
    settings = read_settings()
    asker = this_actor() if by is None else by
    wanted = list(dict.fromkeys(job_ids))

    async def ask(link: Link) -> list[Cancellation | None]:
        told = await _Asking(link, settings, queue, asker, reason, wait).all(wanted)
        became = zip(wanted, told, strict=True)
        # of one that did not end in time it is known all the same that it was asked to
        acts = [(one, {"reason": reason}) for one, how in became if how in (*_GOOD, None)]
        await note(settings, "cancel", acts, actor=asker)
        return told

    told = with_store(settings, ask)
    if as_json:
        became = {job_id: str(one or "timeout") for job_id, one in zip(wanted, told, strict=True)}
        print_json({"by": asker, "reason": reason, "jobs": became})
    for job_id, one in zip(wanted, told, strict=True):
        text = f"{job_id}: {_TOLD[one] if one else 'asked to stop; it has not ended yet'}"
        if not as_json:
            typer.echo(text) if one in _GOOD else fail(text)
    raise typer.Exit(ExitCode.OK if _GOOD.issuperset(told) else ExitCode.FAILURE)


class _Asking:
    """Asks for the cancellation of jobs, wherever they are."""

    def __init__(
        self, link: Link, settings: Settings, queue: str | None, by: str, reason: str, wait: float | None
    ) -> None:
        self._link = link
        self._tagged = settings.hash_tags
        self._queue = queue
        self._producer = Producer(settings, transport=link)
        self._options: dict[str, Any] = {"by": by, "reason": reason, "wait": wait}

    async def all(self, job_ids: Sequence[str]) -> list[Cancellation | None]:
        """What became of each; None for one that has not ended in time."""
        try:
            return await asyncio.gather(*map(self._one, job_ids))
        finally:
            await self._producer.close()

    async def _one(self, job_id: str) -> Cancellation | None:
        if self._queue is not None:
            keys = queue_keys(self._queue, tagged=self._tagged)
        else:
            found = await queue_of(self._link, job_id, tagged=self._tagged)
            keys = found or queue_keys(DEFAULT_QUEUE, tagged=self._tagged)
        handle: JobHandle[Any] = JobHandle(self._producer, keys, job_id, None, created=False)
        try:
            return await handle.cancel(**self._options)
        except TimeoutError:
            return None
