"""`monarq enqueue`: ask for one job from the shell."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from pydantic_core import from_json

from monarq.jobs.cli.commands import new_commands
from monarq.jobs.cli.exit_codes import ExitCode
from monarq.jobs.cli.job_arguments import call_of, read_arguments
from monarq.jobs.cli.moments import read_moment
from monarq.jobs.cli.output import AsJson, fail, print_json
from monarq.jobs.cli.session import load_handlers, read_settings
from monarq.jobs.errors import JobRejected, JobUnsuccessful, MonarqError
from monarq.jobs.handler import Handler
from monarq.jobs.settings import Settings

from .handle import JobHandle
from .order import Order
from .producer import Producer
from .unique_options import OnConflict, UniqueBy, UniqueUntil, rule_of

_FOR_EVER = "inf"


class _OptionalSeconds(typer.core.TyperCommand):
    """Lets `--wait` stand alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, fill_in_wait(args))


def fill_in_wait(args: Sequence[str]) -> list[str]:
    """The arguments, with `for ever` put after a `--wait` that names no seconds."""
    filled: list[str] = []
    for at, arg in enumerate(args):
        filled.append(arg)
        following = args[at + 1] if at + 1 < len(args) else ""
        if arg == "--wait" and not _is_number(following):
            filled.append(_FOR_EVER)
    return filled


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


app = new_commands()

Arguments = Annotated[
    Any,
    typer.Option(
        "--args",
        parser=read_arguments,
        metavar="JSON",
        help='An object of arguments by name, {"width": 200}, or a list; - reads it from stdin.',
    ),
]
Moment = Annotated[
    Any,
    typer.Option(
        "--at", parser=read_moment, metavar="TIME", help="ISO time with a zone at which it may start."
    ),
]
Wait = Annotated[
    float | None,
    typer.Option("--wait", metavar="[SECONDS]", help="Wait for the result, and print it.", min=0),
]


@app.command(cls=_OptionalSeconds)
def enqueue(
    kind: Annotated[str, typer.Argument(help="The job's type name.")],
    arguments: Arguments = "{}",
    queue: Annotated[str | None, typer.Option("--queue", "-q", help="The kind's own by default.")] = None,
    priority: Annotated[str | None, typer.Option(help="critical, high, normal or low.")] = None,
    delay: Annotated[float | None, typer.Option(metavar="SECONDS", help="Time before it may start.")] = None,
    at: Moment = None,
    job_id: Annotated[
        str | None, typer.Option(help="An id of your own: the same id again is the same job.")
    ] = None,
    expires_in: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Its deadline, from now: it is not run later.")
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", help="By which the history finds it; may be given several times."),
    ] = None,
    unique_by: UniqueBy = None,
    unique_until: UniqueUntil = None,
    on_conflict: OnConflict = None,
    wait: Wait = None,
    jobs: Annotated[
        str | None,
        typer.Option(metavar="MODULES", help="Modules that hold its handler, separated by commas."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Enqueue one job of a kind, its arguments checked by the types of its handler, and print its id.

    With --wait the result follows on a line of its own, as JSON; a job that ends without one makes this end
    with 1.
    """
    settings = read_settings(jobs=jobs)
    call = call_of(load_handlers(settings.jobs)[kind], arguments)
    unique = rule_of(call.handler.policy.unique, unique_by, unique_until, on_conflict)
    order = Order(call, delay, at, priority, queue, job_id, expires_in, unique, tags=tags)
    raise typer.Exit(asyncio.run(_enqueue(settings, order, wait, as_json)))


async def _enqueue(settings: Settings, order: Order[Any], wait: float | None, as_json: bool) -> ExitCode:
    async with Producer.connect(settings=settings) as producer:
        [handle] = await producer.enqueue_many([order])
        if isinstance(handle, JobRejected):
            raise handle
        handler = order.call.handler
        told: dict[str, Any] = {"job_id": handle.job_id, "created": handle.created, "kind": handler.kind}
        if not as_json:
            _print_id(handle)
        code = ExitCode.OK if wait is None else await _wait(handle, handler, wait, told, as_json)
    if as_json:
        print_json(told)
    return code


def _print_id(handle: JobHandle[Any]) -> None:
    typer.echo(handle.job_id)
    if not handle.created:
        typer.echo(
            "monarq: no new job: this one has the same id and content, or the same unique key", err=True
        )


async def _wait(
    handle: JobHandle[Any],
    handler: Handler[..., Any],
    seconds: float,
    told: dict[str, Any],
    as_json: bool,
) -> ExitCode:
    try:
        result = await handle.result(None if math.isinf(seconds) else seconds)
    except TimeoutError:
        told["error"] = {"code": "timeout", "message": f"not ended within {seconds:g} s; the job goes on"}
    except JobUnsuccessful as error:
        told["error"] = _described(error)
    else:
        encoded = handler.result.encode(result)
        told["result"] = from_json(encoded)
        if not as_json:
            typer.echo(encoded.decode())
        return ExitCode.OK
    if not as_json:
        message = told["error"]["message"]
        fail(message if handle.job_id in message else f"{handle.job_id}: {message}")
    return ExitCode.FAILURE


def _described(error: MonarqError) -> dict[str, str]:
    described = {"code": error.code, "message": str(error)}
    if trace := getattr(error, "traceback_text", ""):
        described["traceback"] = trace
    return described
