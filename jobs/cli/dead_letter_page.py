"""One dead letter, laid out for reading."""

from __future__ import annotations

from datetime import UTC, datetime

import typer
from pydantic_core import to_json

from ..failure import Cause, Failure
from ..store.dead_letters import DeadLetter


def print_letter(letter: DeadLetter) -> None:
    """Print the letter, its arguments and every attempt."""
    _print_facts(letter)
    number = 0
    for failure in letter.attempts:
        typer.echo("")
        if failure.cause is Cause.REPLAY:
            typer.secho(f"{failure.message}, {_shown(_moment(failure.ended_ms))}", bold=True)
        else:
            number += 1
            _print_attempt(number, failure)
    typer.echo("")
    typer.echo(f"again:   monarq dead replay {letter.job_id}")
    typer.echo(f"forget:  monarq dead discard {letter.job_id}")


def _print_facts(letter: DeadLetter) -> None:
    facts = {
        "job": letter.job_id,
        "kind": letter.kind or "unknown",
        "queue": f"{letter.queue} ({letter.priority})",
        "enqueued": _shown(letter.enqueued_at),
        "died": _shown(letter.died_at),
    }
    if letter.fault is not None:
        facts["unreadable"] = letter.fault
        facts["bytes"] = repr(letter.raw)
    else:
        facts["arguments"] = to_json([*letter.args, letter.kwargs] if letter.args else letter.kwargs).decode()
    facts |= {f"at {name}": repr(found) for name, found in letter.set_aside.items()}
    for name, fact in facts.items():
        _print_field(name, fact)


def _print_attempt(number: int, failure: Failure) -> None:
    typer.secho(f"attempt {number}: {failure.cause}", bold=True)
    if failure.started_ms:
        _print_field("from", _shown(_moment(failure.started_ms)))
        _print_field("to", _shown(_moment(failure.ended_ms)))
    if failure.worker:
        _print_field("worker", failure.worker)
    error = ": ".join(filter(None, (str(failure.error_type), str(failure.message))))
    if error:
        _print_field("error", error)
    if failure.traceback:
        typer.echo("")
        typer.echo("\n".join(f"    {line}" for line in str(failure.traceback).splitlines()))


def _print_field(name: str, fact: str) -> None:
    typer.echo(f"{name + ':':<12} {fact}")


def _moment(ms: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError, TypeError):
        return None


def _shown(moment: datetime | None) -> str:
    return moment.astimezone().isoformat(sep=" ", timespec="milliseconds") if moment else "unknown"
