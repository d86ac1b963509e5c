"""What PostgreSQL can keep of a value that it refuses: NUL characters, lone surrogates, numbers without end.

Only for what was refused: nearly all values need no look.
"""

from __future__ import annotations

import json
import math
from typing import Any

from ...failure import MAX_MESSAGE_CHARS, MAX_TRACEBACK_CHARS, clean
from .repositories.attempts import AttemptRow
from .repositories.jobs import EndedJob, JobRow

#: Longer keys fit into no index.
_MAX_KEY_CHARS = 600
#: Of the digits of a number.  More of them are kept as text.
_MAX_DIGITS = 300
_LARGEST_INTEGER = 2**31 - 1


def storable(ended: EndedJob) -> EndedJob:
    """The same job, with what cannot be kept told in other words, or left out."""
    return EndedJob(_job(ended.job), [_attempt(attempt) for attempt in ended.attempts])


def storable_json(document: str | None) -> str | None:
    """JSON that PostgreSQL takes; None if it cannot be read at all."""
    try:
        told = json.loads(document or "", parse_int=_integer, parse_float=_number, parse_constant=str)
        return json.dumps(_cleaned(told), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _job(job: JobRow) -> JobRow:
    return job._replace(
        job_id=_key(job.job_id),
        queue=_key(job.queue),
        kind=_key(job.kind),
        tags=[_key(tag) for tag in job.tags],
        worker=_optional_key(job.worker),
        attempts=min(job.attempts, _LARGEST_INTEGER),
        starts=min(job.starts, _LARGEST_INTEGER),
        error_type=_optional_key(job.error_type),
        error_message=_text(job.error_message, MAX_MESSAGE_CHARS),
        reason=_text(job.reason, MAX_MESSAGE_CHARS),
        by=_text(job.by, MAX_MESSAGE_CHARS),
        payload=storable_json(job.payload),
        result=storable_json(job.result),
    )


def _attempt(attempt: AttemptRow) -> AttemptRow:
    return attempt._replace(
        job_id=_key(attempt.job_id),
        number=min(attempt.number, _LARGEST_INTEGER),
        error_type=_key(attempt.error_type),
        message=clean(attempt.message, MAX_MESSAGE_CHARS),
        traceback=clean(attempt.traceback, MAX_TRACEBACK_CHARS),
        worker=_key(attempt.worker),
    )


def _key(text: str) -> str:
    return clean(text, _MAX_KEY_CHARS)


def _optional_key(text: str | None) -> str | None:
    return None if text is None else _key(text)


def _text(text: str | None, limit: int) -> str | None:
    return None if text is None else clean(text, limit)


def _cleaned(told: Any) -> Any:
    match told:
        case str():
            return clean(told, len(told))
        case list():
            return [_cleaned(one) for one in told]
        case dict():
            return {clean(name, len(name)): _cleaned(one) for name, one in told.items()}
    return told


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _MAX_DIGITS else text


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text
