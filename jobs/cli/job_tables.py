"""Finished jobs as a table, and one of them laid out for reading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer
from pydantic_core import to_json

from ..store.finished_job import FinishedJob, JobStory, PastAttempt
from .moments import shown
from .output import print_table

_ERROR_CHARS = 120


def print_jobs(jobs: Sequence[FinishedJob]) -> None:
    """A line per job."""
    columns = ("id", "state", "queue", "kind", "ended", "run_ms", "attempts", "error")
    print_table(columns, [_line(job) for job in jobs], nothing="no such job has ended")


def print_story(story: JobStory) -> None:
    """All that is known of one end of a job."""
    job = story.job
    facts: dict[str, Any] = {
        "job": job.job_id,
        "state": job.state,
        "kind": job.kind,
        "queue": f"{job.queue} ({job.priority})",
        "tags": ", ".join(job.tags) or None,
        "enqueued": job.enqueued_at and shown(job.enqueued_at),
        "started": job.started_at and shown(job.started_at),
        "ended": shown(job.ended_at),
        "waited": _ms(job.wait_ms),
        "ran": _ms(job.run_ms),
        "starts": job.starts,
        "worker": job.worker,
        "error": _error(job.error_type, job.error_message),
        "fingerprint": job.fingerprint,
        "reason": job.reason,
        "by": job.by,
        "arguments": _document(story.payload),
        "result": _document(story.result),
    }
    for name, fact in facts.items():
        if fact is not None:
            _print_field(name, str(fact))
    for attempt in story.attempts:
        _print_attempt(attempt)


def _line(job: FinishedJob) -> dict[str, object]:
    return {
        "id": job.job_id,
        "state": job.state,
        "queue": job.queue,
        "kind": job.kind,
        "ended": shown(job.ended_at),
        "run_ms": job.run_ms,
        "attempts": job.attempts,
        "error": _first_line(_error(job.error_type, job.error_message) or job.reason),
    }


def _print_attempt(attempt: PastAttempt) -> None:
    typer.echo("")
    typer.secho(f"attempt {attempt.number}: {attempt.cause}", bold=True)
    for name, moment in (("from", attempt.began_at), ("to", attempt.finished_at)):
        if moment is not None:
            _print_field(name, shown(moment))
    if attempt.worker:
        _print_field("worker", attempt.worker)
    if error := _error(attempt.error_type, attempt.message):
        _print_field("error", error)
    if attempt.traceback:
        typer.echo("")
        typer.echo("\n".join(f"    {line}" for line in attempt.traceback.splitlines()))


def _print_field(name: str, fact: str) -> None:
    typer.echo(f"{name + ':':<12} {fact}")


def _error(error_type: str | None, message: str | None) -> str | None:
    return ": ".join(filter(None, (error_type, message))) or None


def _first_line(text: str | None) -> str | None:
    if text is None:
        return None
    first = next(iter(text.splitlines()), "")
    return first if len(first) <= _ERROR_CHARS else first[: _ERROR_CHARS - 1] + "…"


def _ms(ms: int | None) -> str | None:
    return None if ms is None else f"{ms:,} ms"


def _document(found: Any) -> str | None:
    return None if found is None else to_json(found).decode()
