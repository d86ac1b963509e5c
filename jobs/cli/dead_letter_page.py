"""One dead letter, laid out for reading."""

from __future__ import annotations

from datetime import datetime

import typer
from pydantic_core import to_json

from ..failure import Cause, Failure
from ..store.dead_letter import DeadLetter, moment


def print_letter(letter: DeadLetter) -> None:
    """Print the letter, its arguments and every attempt."""
    _print_facts(letter)
    number = 0
    for failure in letter.attempts:
        typer.echo("")
        if failure.cause is Cause.REPLAY:
            typer.secho(f"{failure.message}, {_shown(moment(failure.ended_ms))}", bold=True)
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
        "fingerprint": letter.fingerprint,
    }
    if replays := letter.replays:
        times = "once" if len(replays) == 1 else f"{len(replays)} times"
        facts["replayed"] = f"{times}, last {_shown(replays[-1].at)}"
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
        _print_field("from", _shown(moment(failure.started_ms)))
        _print_field("to", _shown(moment(failure.ended_ms)))
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


def _shown(time: datetime | None) -> str:
    return time.astimezone().isoformat(sep=" ", timespec="milliseconds") if time else "unknown"
