"""From what is known of a job to one sentence that is true."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from ..failure import Cause, Failure
from ..record import Record
from ..state import State
from .crew import Crew
from .epoch import NUMBERS_PER_EPOCH
from .examine import Examined
from .moments import at, at_ms
from .pauses import Pause

_LONGEST_ERROR = 200


class Reason(StrEnum):
    """What keeps a job where it is."""

    NEXT = "next"  #: ready, and nothing stands before it
    BEHIND = "behind"  #: ready, others come first
    PAUSED = "paused"
    UNSERVED = "unserved"  #: no live worker serves its queue
    UNKNOWN_KIND = "unknown_kind"  #: no live worker of its queue knows its kind
    NO_DATABASE = "no_database"  #: it is durable, and no live worker that knows its kind reaches PostgreSQL
    LAPSED = "lapsed"  #: its worker was lost; the next claim takes it
    SCHEDULED = "scheduled"
    RETRYING = "retrying"
    RUNNING = "running"
    ENDED = "ended"
    DEAD = "dead"
    RELAYING = "relaying"  #: committed, and not in Redis yet: it is in the outbox
    SET_ASIDE = "set_aside"  #: the same, but it could not be sent
    STRANDED = "stranded"  #: its payload is there, but it stands in no queue that is known
    NO_TRACE = "no_trace"


Told = tuple[Reason, str]


def sentence_of(job: Examined, crew: Crew) -> Told:
    """Why the job is where it is."""
    if job.state is not None:
        return _BY_STATE[job.state](job, crew)
    if job.body is not None:
        return (
            Reason.STRANDED,
            "Its payload is there, but it stands in no queue that is known here; if it has one, name that.",
        )
    if job.result is not None:
        return Reason.ENDED, _ended(job, job.record())
    return (
        Reason.NO_TRACE,
        "There is no trace of it: it never existed, or it ended and its result is no longer kept.",
    )


# --- it waits


def _ready(job: Examined, crew: Crew) -> Told:
    since = at_ms(job.visible_at_ms or 0, job.now_ms)
    lost = f"Its worker {job.worker} died, froze or lost its connection: its lease ran out at {since}"
    ready = lost if job.fence is not None else f"It is ready since {since}"
    if hindrance := _hindrance(job, crew):
        return hindrance[0], f"{ready}, but {hindrance[1]}."
    ready += _deadline(job) + _suspicion(job) + _withdrawal(job)
    if job.fence is not None:
        return Reason.LAPSED, f"{ready}; the next claim of queue {job.queue} takes it."
    if sum((job.ahead or {}).values()):
        return Reason.BEHIND, f"{ready}, and waits behind {_those_ahead(job)}; {_slots(crew)}."
    return Reason.NEXT, f"{ready}, and is the next of queue {job.queue} to be claimed; {_slots(crew)}."


def _deadline(job: Examined) -> str:
    """Nobody looks at a deadline before the job is claimed."""
    envelope = job.envelope()
    expires_ms = envelope.expires_ms if envelope is not None else None
    if expires_ms is None or expires_ms >= job.now_ms:
        return ""
    return f", but too late (its deadline passed at {at_ms(expires_ms, job.now_ms)}: it will end as expired)"


def _scheduled(job: Examined, crew: Crew) -> Told:
    due = at_ms(job.visible_at_ms or 0, job.now_ms)
    if job.starts and crew.serving and not crew.able:
        reason, hindrance = _inability(job, crew)
        return reason, f"It was handed back, since {hindrance}; it is looked at again at {due}."
    if not job.starts:
        sentence = f"It is scheduled for {due}"
    elif job.starts % NUMBERS_PER_EPOCH == 0:
        sentence = f"It was restored, since Redis had lost it, and is due at {due}"
    else:
        sentence = f"It was handed back, and is due again at {due}"
    return Reason.SCHEDULED, _with_outlook(sentence, job, crew)


def _retrying(job: Examined, crew: Crew) -> Told:
    due = at_ms(job.visible_at_ms or 0, job.now_ms)
    sentence = f"It is tried again at {due}, after {_happened(job.failure, crew)}"
    return Reason.RETRYING, _with_outlook(sentence, job, crew)


def _with_outlook(sentence: str, job: Examined, crew: Crew) -> str:
    """What is known today of what will keep it then."""
    sentence += _suspicion(job)
    hindrance = _hindrance(job, crew)
    return f"{sentence}; as things stand, {hindrance[1]}." if hindrance else f"{sentence}."


def _suspicion(job: Examined) -> str:
    if job.failure is None or not (job.failure.lapses or job.failure.crashes):
        return ""
    return " (it may be what a worker died of, so it waits for its turn to run alone)"


def _withdrawal(job: Examined) -> str:
    if job.abort_ms is None:
        return ""
    asked = at_ms(job.abort_ms, job.now_ms)
    return f" (its cancellation was asked for at {asked}: whoever claims it ends it)"


def _hindrance(job: Examined, crew: Crew) -> Told | None:
    """What keeps every worker from it."""
    if pauses := [pause for pause in job.pauses if pause.covers(crew.kind)]:
        return Reason.PAUSED, " and ".join(map(_paused, pauses))
    if not crew.serving:
        return Reason.UNSERVED, f"no live worker serves queue {job.queue}"
    return None if crew.able else _inability(job, crew)


def _paused(pause: Pause) -> str:
    what = f"queue {pause.queue}" if pause.kind is None else f"kind {pause.kind}"
    until = f"until {at(pause.until)}" if pause.until else "until somebody resumes it"
    return f"{what} is paused by {pause.by} since {at(pause.at)}, {until}: {_short(pause.why)}"


def _inability(job: Examined, crew: Crew) -> Told:
    """Why those who serve the queue cannot run it."""
    if crew.knowing:
        return Reason.NO_DATABASE, (
            f"it is durable, and no live worker of queue {job.queue} for kind {crew.kind} has a database"
        )
    return Reason.UNKNOWN_KIND, f"no live worker that serves queue {job.queue} knows kind {crew.kind}"


def _those_ahead(job: Examined) -> str:
    parts = [
        f"{number:,} of {'its own priority' if priority is job.priority else 'priority'} {priority}"
        for priority, number in (job.ahead or {}).items()
        if number
    ]
    return " and ".join(parts)


def _slots(crew: Crew) -> str:
    able = len(crew.able)
    return f"its {able} worker{'s' * (able > 1)} last reported {crew.busy} of {crew.slots} slots busy"


# --- it runs


def _running(job: Examined, crew: Crew) -> Told:
    if job.is_arqs:
        sentence = "A worker of arq's own runs it"
    else:
        attempt = (job.failure.spent if job.failure else 0) + 1
        until = at_ms(job.lease_end_ms or job.visible_at_ms or 0, job.now_ms)
        sentence = (
            f"Worker {job.worker} runs it (attempt {_of(attempt, crew)}); its lease holds until {until}"
        )
    if job.abort_ms is not None:
        sentence += f", and its cancellation was asked for at {at_ms(job.abort_ms, job.now_ms)}"
    return Reason.RUNNING, f"{sentence}."


# --- it has ended


def _dead(job: Examined, crew: Crew) -> Told:
    died = "" if job.died_ms is None else f" since {at_ms(job.died_ms, job.now_ms)}"
    return Reason.DEAD, f"It is dead{died}, because of {_happened(job.failure, crew)}."


def _ended(job: Examined, record: Record | None) -> str:
    if record is None:
        return "It has ended, but the record of its end cannot be read."
    when = at_ms(record.ended_ms, job.now_ms)
    told = record.result if isinstance(record.result, dict) else {}
    why = _short(str(told.get("message", "")))
    match record.state:
        case State.SUCCEEDED:
            return f"It succeeded at {when}, in attempt {record.attempt}; {_kept(job)}."
        case State.CANCELLED:
            return f"It was cancelled at {when}{f': {why}' if why else ''}; {_kept(job)}."
        case State.EXPIRED:
            return f"It expired at {when}{f': {why}' if why else ''}; {_kept(job)}."
    error = f"{told.get('type', 'an error')}: {why}"
    return f"It failed for good at {when} by {error}; there is no dead letter of it in Redis (any more)."


def _kept(job: Examined) -> str:
    if job.result_ms < 0:
        return "its result is kept for ever"
    return f"its result is kept until {at_ms(job.now_ms + job.result_ms, job.now_ms)}"


# --- what went wrong


def _happened(failure: Failure | None, crew: Crew) -> str:
    if failure is None:
        return "a failure of which nothing is recorded"
    error = _short(f"{failure.error_type}: {failure.message}" if failure.error_type else failure.message)
    match failure.cause:
        case Cause.ERROR:
            return f"{error or 'an error'} (attempt {_of(failure.spent, crew)})"
        case Cause.TIMEOUT:
            return f"a timeout (attempt {_of(failure.spent, crew)}): {error}"
        case Cause.CORRUPTION:
            return f"a record that cannot be read: {error}"
        case Cause.REPLAY:
            return f"a replay: {error}"
    return f"a{'n' * (failure.cause is Cause.INTERRUPTION)} {failure.cause}" + (f": {error}" if error else "")


def _of(attempt: int, crew: Crew) -> str:
    return f"{attempt} of {crew.max_attempts}" if crew.max_attempts else str(attempt)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_ERROR else line[: _LONGEST_ERROR - 1] + "…"


_BY_STATE: dict[State, Callable[[Examined, Crew], Told]] = {
    State.READY: _ready,
    State.SCHEDULED: _scheduled,
    State.RETRYING: _retrying,
    State.RUNNING: _running,
    State.DEAD: _dead,
}
