"""`monarq pause` and `monarq resume`: let a queue or a kind rest, and go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any

import typer

from ..errors import DefinitionError
from ..store.connection import Link
from ..store.pauses import Pause, Pauses
from .auditing import note
from .commands import new_commands
from .exit_codes import ExitCode
from .moments import read_moment, shown
from .output import AsJson, fail, print_json
from .session import read_settings, with_store

pause_app = new_commands()
resume_app = new_commands()

Queue = Annotated[str | None, typer.Option("--queue", "-q", help="This queue.")]
Kind = Annotated[
    str | None,
    typer.Option("--kind", "-k", help="Jobs of this kind only; without --queue, in every queue that exists."),
]
Until = Annotated[
    Any,
    typer.Option(
        "--until", parser=read_moment, metavar="TIME", help="ISO time with a zone at which it ends."
    ),
]


@pause_app.command()
def pause(
    why: Annotated[str, typer.Option("--why", help="For those who wonder; `monarq why` tells it.")],
    queue: Queue = None,
    kind: Kind = None,
    until: Until = None,
    seconds: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", help="End it after so long.")
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Hand running jobs back, too, unharmed; else they finish.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let no more jobs of a queue or of a kind be started.  They wait; nothing of them is lost.

    It holds until `monarq resume`, until its time is over, and over restarts of the workers.
    """
    if until is not None and seconds is not None:
        raise typer.BadParameter("give either --until or --for")
    end = until if seconds is None else timedelta(seconds=seconds)
    paused = _ask("pause", lambda pauses: pauses.pause(queue, kind=kind, why=why, until=end, now=now))
    if as_json:
        print_json([one.as_document() for one in paused])
        return
    for one in paused:
        typer.echo(f"paused {_named(one)} until {shown(one.until) if one.until else 'its resume'}")


@resume_app.command()
def resume(queue: Queue = None, kind: Kind = None, as_json: AsJson = False) -> None:
    """Go on with a queue or a kind that is paused.  Ends with 1 if it was not."""
    resumed = _ask("resume", lambda pauses: pauses.resume(queue, kind=kind))
    if as_json:
        print_json([one.as_document() for one in resumed])
    for one in () if as_json else resumed:
        typer.echo(f"resumed {_named(one)}")
    if not resumed:
        fail("it is not paused; see: monarq queues")
        raise typer.Exit(ExitCode.FAILURE)


def pause_in_a_line(pause: Pause) -> str:
    """What is paused, why, by whom and until when; for a table."""
    until = f", until {shown(pause.until)}" if pause.until else ""
    return f"{pause.kind or 'all'}: {pause.why} (by {pause.by}{until})"


def _named(pause: Pause) -> str:
    return f"queue {pause.queue}" if pause.kind is None else f"kind {pause.kind} in queue {pause.queue}"


def _ask(action: str, question: Callable[[Pauses], Awaitable[Sequence[Pause]]]) -> Sequence[Pause]:
    settings = read_settings()

    async def ask(link: Link) -> Sequence[Pause]:
        changed = await question(Pauses(link, tagged=settings.hash_tags))
        await note(settings, action, [(_named(one), one.as_document()) for one in changed])
        return changed

    try:
        return with_store(settings, ask)
    except DefinitionError as error:
        raise typer.BadParameter(str(error)) from None
