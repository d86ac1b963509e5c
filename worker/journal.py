"""What a worker says and counts about the ends of its attempts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

import structlog

from monarq.jobs.cancel_note import CancelNote
from monarq.jobs.failure import Cause
from monarq.jobs.settings import EndLines
from monarq.jobs.store.verbs import End, Settlement, Verb

from .completer import Batch
from .end_lines import EndLineRules
from .run import Run, now_ms

log = structlog.get_logger("monarq.worker")

#: Looked up once: they are asked for with every job.
_RECORDED, _SUCCEEDED = Settlement.RECORDED, Verb.SUCCEEDED

#: Seconds between two lines about the same unknown kind.
_UNKNOWN_EVERY = 60.0
#: Of them, those that are remembered: arq's own clients may name any.
_MOST_UNKNOWN = 1_000


class Journal:
    """Counts and logs.

    Args:
        log_ends: Which ends of a kind get a line: of successes none by default, for at 20,000 jobs a second
            they would be most of the work.
    """

    def __init__(self, log_ends: Mapping[str, EndLines]) -> None:
        self._lines = EndLineRules(log_ends)
        self.complete = 0
        self.failed = 0
        self.retried = 0
        self.released = 0
        self.refused = 0
        #: Times that something blocked the event loop.
        self.loop_blocks = 0
        self._unknown: dict[str, tuple[float, int]] = {}

    def settled(self, batch: Batch, settlements: Sequence[Settlement]) -> None:
        """Note how attempts ended, and whether the store took it."""
        tells_success = self._lines.any_success
        for (run, end), settlement in zip(batch, settlements, strict=True):
            if end.verb is _SUCCEEDED and settlement is _RECORDED and not tells_success:
                self.complete += 1  # nearly all of them
            else:
                self._note(run, end, settlement)

    def _note(self, run: Run, end: End, settlement: Settlement) -> None:
        if settlement is not _RECORDED:
            if settlement is Settlement.REFUSED:
                self.refused += 1
                self._warn("job.lease_lost", run, outcome=end.verb)
                return
            self._warn("job.cancel_too_late", run, outcome=end.verb, **_asked_by(run))
        match end.verb:
            case Verb.SUCCEEDED:
                self.complete += 1
                if self._lines.tells_success(_kind(run)):
                    log.info("job.succeeded", **facts_of(run))
                return
            case Verb.RETRYING:
                self.retried += 1
            case Verb.RELEASED:
                self.released += 1
            case _:
                self.failed += 1
        if self._lines.tells_failure(_kind(run)):
            self._tell(run, end)

    @staticmethod
    def dump(runs: Iterable[Run]) -> None:
        """Say what is under way."""
        for run in runs:
            since_ms = now_ms() - run.started_ms
            log.info("worker.runs", job_id=run.job_id, since_ms=since_ms, task=repr(run.task))

    def counters(self, running: int) -> str:
        """arq's health line."""
        return (
            f"j_complete={self.complete} j_failed={self.failed} j_retried={self.retried} j_ongoing={running}"
        )

    def _tell(self, run: Run, end: End) -> None:
        match end.verb:
            case Verb.RETRYING:
                self._warn("job.retrying", run, delay_s=end.delay_ms / 1000, **_told(end))
            case Verb.RELEASED:
                self._released(run, end)
            case Verb.DEAD:
                log.error("job.dead", **facts_of(run), **_told(end))
            case Verb.CANCELLED:
                self._warn("job.cancelled", run, cause=Cause.CANCELLATION, **_asked_by(run))
            case Verb.EXPIRED:
                self._warn("job.expired", run, **_told(end))

    def _released(self, run: Run, end: End) -> None:
        if end.failure is not None:
            lost = end.failure.cause is Cause.CRASH
            self._warn("job.lease_lost" if lost else "job.interrupted", run, cause=end.failure.cause)
        elif end.is_snooze:
            log.info("job.snoozed", **facts_of(run), delay_s=end.delay_ms / 1000)
        elif run.runnable is None and run.envelope is not None:
            self._unknown_kind(run.envelope.kind)

    def _unknown_kind(self, kind: str) -> None:
        logged_at, count = self._unknown.get(kind, (0.0, 0))
        now, count = time.monotonic(), count + 1
        if now - logged_at >= _UNKNOWN_EVERY:
            log.warning(
                "job.unknown_kind",
                kind=kind,
                times=count,
                mend="load its module, or start a worker that does",
            )
            logged_at, count = now, 0
        if len(self._unknown) >= _MOST_UNKNOWN:
            self._unknown.clear()
        self._unknown[kind] = (logged_at, count)

    @staticmethod
    def _warn(event: str, run: Run, **facts: object) -> None:
        log.warning(event, **facts_of(run), **facts)


def facts_of(run: Run) -> dict[str, object]:
    """What each line about an attempt says; `seconds` is for how long it ran, or has run."""
    facts: dict[str, object] = {
        "job_id": run.job_id,
        "kind": _kind(run),
        "queue": run.claimed.queue.name,
        "attempt": run.attempt,
        "seconds": ((run.ended_ms or now_ms()) - run.started_ms) / 1000,
    }
    if run.span is not None:
        facts["trace_id"] = run.span.trace_id
    return facts


def _kind(run: Run) -> str:
    return run.envelope.kind if run.envelope is not None else "<unreadable>"


def _asked_by(run: Run) -> dict[str, object]:
    note = run.cancel_note or CancelNote()
    return {"by": note.by, "reason": note.reason}


def _told(end: End) -> dict[str, object]:
    failure = end.failure
    if failure is None:
        return {}
    return {"cause": failure.cause, "error_type": failure.error_type, "error": failure.message}
