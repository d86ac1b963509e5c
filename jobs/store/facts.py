"""What an explanation rests on, as plain data."""

from __future__ import annotations

from typing import Any

from ..failure import Failure
from .clock import moment_of
from .crew import Crew
from .examine import Examined


def facts_of(job: Examined, crew: Crew) -> dict[str, Any]:
    """All that is known; what is not known is left out."""
    found = {
        "queue": job.queue if job.is_here else None,
        "kind": crew.kind,
        **_standing(job),
        **_attempts(job, crew),
        **_end(job),
        "pauses": [pause.as_document() for pause in job.pauses] or None,
        **(_workers(crew) if job.priority is not None else {}),
    }
    return {name: fact for name, fact in found.items() if fact is not None}


def _standing(job: Examined) -> dict[str, Any]:
    envelope = job.envelope()
    return {
        "priority": str(job.priority) if job.priority else None,
        "enqueued_at": _time(envelope.enqueued_ms) if envelope else None,
        "due_at": None if job.lease_end_ms is not None else _time(job.visible_at_ms),
        "expires_at": _time(envelope.expires_ms) if envelope else None,
        "ahead": {str(rank): number for rank, number in job.ahead.items()} if job.ahead else None,
        "put_aside": job.is_parked or None,
        "worker": job.worker,
        "lease_until": _time(job.lease_end_ms),
        "cancellation_asked_at": _time(job.abort_ms),
    }


def _attempts(job: Examined, crew: Crew) -> dict[str, Any]:
    if job.body is None:
        return {}
    return {
        "attempts_spent": job.failure.spent if job.failure else 0,
        "max_attempts": crew.max_attempts,
        "crashes": (job.failure.crashes if job.failure else 0) or None,
        "lapses": (job.failure.lapses if job.failure else 0) or None,
        "last_failure": _failure(job.failure) if job.failure else None,
    }


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "cause": str(failure.cause),
        "error_type": failure.error_type,
        "message": failure.message,
        "worker": failure.worker,
        "ended_at": _time(failure.ended_ms or None),
    }


def _end(job: Examined) -> dict[str, Any]:
    record = job.record() if job.result is not None else None
    kept_ms = job.now_ms + job.result_ms if job.result_ms >= 0 else None
    return {
        "died_at": _time(job.died_ms),
        "ended_at": _time(record.ended_ms) if record else None,
        "attempt": record.attempt if record else None,
        "result_kept_until": _time(kept_ms),
    }


def _workers(crew: Crew) -> dict[str, Any]:
    return {
        "serving": [worker.worker for worker in crew.serving],
        "able": [worker.worker for worker in crew.able],
        "slots": crew.slots,
        "busy": crew.busy,
    }


def _time(ms: int | None) -> str | None:
    return None if ms is None else moment_of(ms).isoformat()
