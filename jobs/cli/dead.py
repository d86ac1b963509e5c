"""`monarq dead`: look at dead letters, replay or discard them."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, TypeVar

import typer

from ..actor import this_actor
from ..store.dead_letters import DeadLetter, DeadLetters, Progress
from .commands import new_commands
from .dead_letter_page import print_letter
from .exit_codes import ExitCode
from .output import AsJson, fail, on_terminal, print_json, print_table
from .session import read_settings, with_store

T = TypeVar("T")

app = new_commands(
    no_args_is_help=True, help="Dead letters: jobs that are out of attempts, discarded or unreadable."
)

Ids = Annotated[list[str], typer.Argument(metavar="ID", help="Job ids.")]
Queue = Annotated[str | None, typer.Option("--queue", "-q", help="Only this queue.")]
Kind = Annotated[str | None, typer.Option("--kind", "-k", help="Only jobs of this kind.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command("list")
def list_letters(
    queue: Queue = None,
    kind: Kind = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    before: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S%z"], help="Only those that died earlier."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first."""
    letters = _ask(lambda dead: dead.list(queue, kind, limit, before))
    if as_json:
        print_json([letter.as_document() for letter in letters])
        return
    columns = ("id", "queue", "kind", "died", "attempts", "error")
    print_table(columns, [_row(letter) for letter in letters], nothing="no dead letters")


@app.command()
def show(job_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """Show one dead letter: its arguments, and every attempt with its traceback."""
    letter = _ask(lambda dead: dead.show(job_id))
    if letter is None:
        raise _no_such([job_id])
    if as_json:
        print_json(letter.as_document())
    else:
        print_letter(letter)


@app.command()
def replay(
    job_ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Job ids.")] = None,
    all_letters: Annotated[
        bool, typer.Option("--all", help="All of them, or all of --queue and --kind.")
    ] = False,
    queue: Queue = None,
    kind: Kind = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Give dead letters a fresh budget of attempts; they are ready at once."""
    if bool(job_ids) == all_letters:
        raise typer.BadParameter("give either ids or --all")
    if job_ids:
        if queue or kind:
            raise typer.BadParameter("--queue and --kind go with --all")
        _act_on_each("replayed", job_ids, DeadLetters.replay, as_json)
        return
    total = None if kind else _ask(lambda dead: dead.count(queue))
    if total != 0:
        _confirm(f"Replay {_all_of(total, queue, kind)}?", yes)
    with _progress("replayed", total) as progress:
        replayed = _ask(lambda dead: dead.replay_all(queue, kind, progress))
    print_json({"replayed": replayed}) if as_json else typer.echo(f"replayed {replayed:,}")


@app.command()
def discard(job_ids: Ids, yes: Yes = False, as_json: AsJson = False) -> None:
    """Forget dead letters, for good."""
    some = job_ids[0] if len(job_ids) == 1 else f"{len(job_ids):,} dead letters"
    _confirm(f"Forget {some} for good?", yes)
    _act_on_each("discarded", job_ids, DeadLetters.discard, as_json)


# ---


def _act_on_each(
    done: str,
    job_ids: Sequence[str],
    act: Callable[[DeadLetters, Sequence[str], Progress], Awaitable[Sequence[bool]]],
    as_json: bool,
) -> None:
    wanted = list(dict.fromkeys(job_ids))
    with _progress(done, len(wanted)) as progress:
        flags = _ask(lambda dead: act(dead, wanted, progress))
    acted = [job_id for job_id, flag in zip(wanted, flags, strict=True) if flag]
    missing = [job_id for job_id, flag in zip(wanted, flags, strict=True) if not flag]
    if as_json:
        print_json({done: acted, "missing": missing})
    elif acted:
        typer.echo(f"{done} {len(acted):,}")
    if missing:
        raise _no_such(missing)


def _ask(question: Callable[[DeadLetters], Awaitable[T]]) -> T:
    settings = read_settings()
    return with_store(
        settings,
        lambda link: question(DeadLetters(link, tagged=settings.hash_tags, actor=this_actor())),
    )


def _no_such(job_ids: Sequence[str]) -> typer.Exit:
    for job_id in job_ids:
        fail(f"{job_id} is no dead letter (any more); see: monarq dead list")
    return typer.Exit(ExitCode.FAILURE)


def _confirm(question: str, yes: bool) -> None:
    if not yes and on_terminal():
        typer.confirm(question, abort=True)


def _all_of(total: int | None, queue: str | None, kind: str | None) -> str:
    letters = "all dead letters" if total is None else f"{total:,} dead letters"
    return letters + (f" of queue {queue}" if queue else "") + (f" of kind {kind}" if kind else "")


@contextmanager
def _progress(done: str, total: int | None) -> Iterator[Progress]:
    """A bar on stderr, if somebody sees it."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(done, total=total)
        yield lambda completed: bar.update(task, completed=completed)


def _row(letter: DeadLetter) -> dict[str, object]:
    failures = letter.failures
    error = f"{failures[-1].error_type}: {_first_line(failures[-1].message)}" if failures else None
    return {
        "id": letter.job_id,
        "queue": letter.queue,
        "kind": letter.kind,
        "died": letter.died_at.astimezone().isoformat(sep=" ", timespec="seconds"),
        "attempts": len(failures),
        "error": error if letter.fault is None else f"unreadable: {letter.fault}",
    }


def _first_line(text: str) -> str:
    first = next(iter(str(text).splitlines()), "")
    return first if len(first) <= 120 else first[:119] + "…"
