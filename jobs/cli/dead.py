"""`monarq dead`: look at dead letters, replay or discard them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any, TypeVar

import typer
from pydantic_core import from_json

from ..handler import Call
from ..settings import Settings
from ..store.connection import Link
from ..store.dead_letters import DeadLetters, Selection
from ..store.letter_filter import LetterFilter
from ..store.letter_groups import Survey
from ..store.letter_scan import Progress
from ..store.replaying import Plan
from .auditing import note_letters
from .commands import new_commands
from .dead_letter_page import print_letter
from .exit_codes import ExitCode
from .job_arguments import call_of, read_arguments
from .letter_options import read_rate, takes_filter
from .letter_tables import print_groups, print_letters
from .output import AsJson, fail, on_terminal, print_json
from .progress import progress
from .replaying import letters_of, replay_many, tell_of_stop
from .session import load_handlers, read_settings, with_store

T = TypeVar("T")

app = new_commands(
    no_args_is_help=True, help="Dead letters: jobs that are out of attempts, discarded or unreadable."
)

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Job ids.")]
All = Annotated[bool, typer.Option("--all", help="All that fit the other options, or all that there are.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show which letters it would be.")]
Rate = Annotated[
    Any,
    typer.Option(parser=read_rate, metavar="RATE", help="At most so many: 50/s, 3000/m, 10000/h."),
]
CanarySize = Annotated[
    int,
    typer.Option(
        "--canary",
        min=0,
        help="Replay so many first, wait for them, and stop if more than half fail again.",
    ),
]
Edit = Annotated[
    Any,
    typer.Option(
        parser=read_arguments,
        metavar="JSON",
        help="Other arguments for the one letter, all of them, checked by the types of its handler: an "
        "object of arguments by name, or a list; - reads it from stdin.",
    ),
]
Jobs = Annotated[
    str | None,
    typer.Option(metavar="MODULES", help="For --edit: modules that hold its handler.  [MONARQ_JOBS]"),
]


@app.command("list")
@takes_filter
def list_letters(
    wanted: LetterFilter,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest first."""
    letters = _ask(lambda dead: dead.list(wanted, limit))
    print_json([letter.as_document() for letter in letters]) if as_json else print_letters(letters)


@app.command()
@takes_filter
def groups(wanted: LetterFilter, as_json: AsJson = False) -> None:
    """Show dead letters by bug, the most frequent first.

    Those with one fingerprint have died of the same type of error, in the same function of the app, with a
    message that differs at most in numbers, ids, quoted words and paths.
    """
    found = _survey(wanted).groups
    print_json([group.as_document() for group in found]) if as_json else print_groups(found)


@app.command()
def show(job_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """Show one dead letter: its arguments, and every attempt with its traceback."""
    letter = _ask(lambda dead: dead.show(job_id))
    if letter is None:
        raise _no_such([job_id])
    print_json(letter.as_document()) if as_json else print_letter(letter)


@app.command()
@takes_filter
def replay(
    wanted: LetterFilter,
    job_ids: Ids = None,
    all_letters: All = False,
    rate: Rate = None,
    canary: CanarySize = 0,
    edit: Edit = None,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Give dead letters a fresh budget of attempts; they are ready at once.

    Those of the given ids, or all that fit the other options.  Ctrl-C stops it; the letters that are left
    stay.  Ends with 1 if it was stopped, by you or by --canary, or if an id is no dead letter.
    """
    selection = _selection(wanted, job_ids, all_letters)
    if edit is not None:
        if rate is not None or canary:
            raise typer.BadParameter("--rate and --canary are for many letters, --edit is for one")
        _replay_edited(selection, edit, jobs, dry_run=dry_run, as_json=as_json)
    elif dry_run:
        _show_survey("replayed", selection, as_json)
    else:
        _replay(selection, Plan(rate=rate, canary=canary), yes=yes, as_json=as_json)


@app.command()
@takes_filter
def discard(
    wanted: LetterFilter,
    job_ids: Ids = None,
    all_letters: All = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Forget dead letters, for good: those of the given ids, or all that fit the other options."""
    selection = _selection(wanted, job_ids, all_letters)
    if dry_run:
        _show_survey("discarded", selection, as_json)
    elif isinstance(selection, LetterFilter):
        _discard_all(selection, yes=yes, as_json=as_json)
    else:
        some = selection[0] if len(selection) == 1 else _letters(len(selection))
        _confirm(f"Forget {some} for good?", yes)
        _tell_of_each("discarded", selection, _with_link(partial(_discard_some, selection)), as_json)


# --- replay


def _replay(selection: Selection, plan: Plan, *, yes: bool, as_json: bool) -> None:
    left = None
    if isinstance(selection, LetterFilter):
        selection, left = _counted(selection, show=_will_ask(yes) and not as_json)
        if left:
            _confirm(f"Replay {_letters(left)}?", yes)
            until = selection.until.isoformat() if selection.until else ""
            typer.echo(f"replaying {left:,}; to go on after an interruption: --until {until}", err=True)
    wanted = selection
    total = left if isinstance(wanted, LetterFilter) else len(wanted)
    with progress("replayed", total) as bar:
        replaying = _with_link(lambda link, settings: replay_many(link, settings, wanted, plan, bar))
    code = tell_of_stop(replaying, left)
    if code is ExitCode.OK and not isinstance(wanted, LetterFilter):
        _tell_of_each("replayed", wanted, set(replaying.replayed), as_json)
        return
    print_json(replaying.as_document()) if as_json else typer.echo(f"replayed {len(replaying.replayed):,}")
    raise typer.Exit(code)


def _replay_edited(
    selection: Selection, arguments: Any, jobs: str | None, *, dry_run: bool, as_json: bool
) -> None:
    if isinstance(selection, LetterFilter) or len(selection) != 1:
        raise typer.BadParameter("--edit goes with one id")
    [job_id] = selection
    settings = read_settings(jobs=jobs)
    letter = _ask(lambda dead: dead.show(job_id))
    if letter is None:
        raise _no_such([job_id])
    if letter.kind is None:
        fail(f"{job_id} cannot be edited: {letter.fault}")
        raise typer.Exit(ExitCode.FAILURE)
    call = call_of(load_handlers(settings.jobs)[letter.kind], arguments)
    if dry_run:
        told = {"dry_run": True, "job_id": job_id, "kind": letter.kind, "kwargs": from_json(call.arguments)}
        shown = f"{job_id} would be replayed as {letter.kind} {call.arguments.decode()}"
        print_json(told) if as_json else typer.echo(shown)
        return
    done = _with_link(partial(_replay_one, job_id, call))
    _tell_of_each("replayed", [job_id], done, as_json)


async def _replay_one(job_id: str, call: Call[Any], link: Link, settings: Settings) -> set[str]:
    async with letters_of(link, settings) as dead:
        limit = settings.max_payload_bytes
        done = {job_id} if await dead.replay_edited(job_id, call, max_payload_bytes=limit) else set()
    await note_letters(settings, "dead.replay", [job_id], done, edited=True)
    return done


# --- discard


async def _discard_some(job_ids: Sequence[str], link: Link, settings: Settings) -> set[str]:
    async with letters_of(link, settings) as dead:
        flags = await dead.discard(job_ids)
    gone = {job_id for job_id, flag in zip(job_ids, flags, strict=True) if flag}
    await note_letters(settings, "dead.discard", job_ids, gone)
    return gone


async def _discard_wanted(wanted: LetterFilter, bar: Progress, link: Link, settings: Settings) -> int:
    forgotten = 0

    def count(so_far: int) -> None:
        nonlocal forgotten
        forgotten = so_far
        bar(so_far)

    async with letters_of(link, settings) as dead:
        try:
            return await dead.discard_all(wanted, count)
        finally:  # also of one that fails half-way
            await note_letters(settings, "dead.discard", wanted, range(forgotten))


def _discard_all(wanted: LetterFilter, *, yes: bool, as_json: bool) -> None:
    wanted, total = _counted(wanted, show=_will_ask(yes) and not as_json)
    if total:
        _confirm(f"Forget {_letters(total)} for good?", yes)
    with progress("discarded", total) as bar:
        forgotten = _with_link(partial(_discard_wanted, wanted, bar))
    print_json({"discarded": forgotten}) if as_json else typer.echo(f"discarded {forgotten:,}")


# ---


def _selection(wanted: LetterFilter, job_ids: Sequence[str] | None, all_letters: bool) -> Selection:
    if job_ids and (all_letters or not wanted.is_empty):
        raise typer.BadParameter("give either ids, or options that say which letters are meant")
    if not job_ids and not all_letters and wanted.is_empty:
        raise typer.BadParameter("give ids, or options that say which letters are meant, or --all")
    return list(dict.fromkeys(job_ids)) if job_ids else wanted


def _counted(wanted: LetterFilter, *, show: bool) -> tuple[LetterFilter, int]:
    """The filter for what is dead at this moment, and how many letters that are."""
    now = _ask(lambda dead: dead.dead_now(wanted))
    if wanted == LetterFilter(queue=wanted.queue) and not show:  # no need to read them
        return now, _ask(lambda dead: dead.count(wanted.queue))
    survey = _survey(now)
    if show:
        print_groups(survey.groups)
    return now, survey.count


def _survey(selection: Selection) -> Survey:
    with progress("looked at") as bar:
        return _ask(lambda dead: dead.survey(selection, bar))


def _show_survey(done: str, selection: Selection, as_json: bool) -> None:
    survey = _survey(selection)
    if as_json:
        print_json({"dry_run": True, **survey.as_document()})
        return
    print_groups(survey.groups)
    typer.echo(f"{survey.count:,} would be {done}")


def _tell_of_each(done: str, wanted: Sequence[str], acted: set[str], as_json: bool) -> None:
    missing = [job_id for job_id in wanted if job_id not in acted]
    if as_json:
        print_json({done: [job_id for job_id in wanted if job_id in acted], "missing": missing})
    elif acted:
        typer.echo(f"{done} {len(acted):,}")
    if missing:
        raise _no_such(missing)


def _ask(question: Callable[[DeadLetters], Awaitable[T]]) -> T:
    async def ask(link: Link, settings: Settings) -> T:
        async with letters_of(link, settings) as dead:
            return await question(dead)

    return _with_link(ask)


def _with_link(work: Callable[[Link, Settings], Awaitable[T]]) -> T:
    settings = read_settings()
    return with_store(settings, lambda link: work(link, settings))


def _no_such(job_ids: Sequence[str]) -> typer.Exit:
    for job_id in job_ids:
        fail(f"{job_id} is no dead letter (any more); see: monarq dead list")
    return typer.Exit(ExitCode.FAILURE)


def _letters(count: int) -> str:
    return "1 dead letter" if count == 1 else f"{count:,} dead letters"


def _will_ask(yes: bool) -> bool:
    return not yes and on_terminal()


def _confirm(question: str, yes: bool) -> None:
    if _will_ask(yes):
        typer.confirm(question, abort=True)
