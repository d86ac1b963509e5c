"""Runs suspects: jobs that may have killed a worker, each alone in a process of its own (docs/adr/0011)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import structlog

from monarq.jobs.failure import Cause
from monarq.jobs.outcome import Outcome, Released, Retrying
from monarq.jobs.store.verbs import Claimed

from .children import ChildDied, Children, NotImportable
from .classification import Classifier
from .run import Run
from .runnable import Runnable

log = structlog.get_logger("monarq.worker")

#: A suspect that finds another one running goes back for this long: another worker may have room, and its
#: slot may serve a job that nobody suspects.
TURN = timedelta(seconds=1)


def is_suspect(claimed: Claimed) -> bool:
    """Whether a process was lost while it ran this job, and the job has not survived alone since."""
    return claimed.lapses > 0 or claimed.crashes > 0


async def attempt_in_child(
    children: Children, classifier: Classifier, run: Run, runnable: Runnable, *, alone: bool
) -> Outcome:
    """Run one attempt in a child, and tell how it ended if the child no longer can.

    Raises:
        NotImportable: A child cannot run this kind.
        CancelledError: The worker is gone, and nobody is left to record an end.
    """
    try:
        return await children.attempt(run, alone=alone)
    except ChildDied as death:
        return classifier.crashed(run, runnable, death)
    except asyncio.CancelledError as stop:
        if run.stopped_for is None:
            raise
        return classifier.failure(run, runnable, stop)


class Suspects:
    """One place in this worker for a job that is to run alone."""

    def __init__(self, children: Children, classifier: Classifier) -> None:
        self._children = children
        self._classifier = classifier
        self._is_taken = False

    async def attempt(self, run: Run, runnable: Runnable) -> Outcome | None:
        """Run one attempt; None if a child cannot run this kind, so that the worker itself has to.

        Raises:
            CancelledError: The worker is gone, and nobody is left to record an end.
        """
        if self._is_taken:
            return Released(TURN, None)
        self._is_taken = True
        try:
            outcome = await attempt_in_child(self._children, self._classifier, run, runnable, alone=True)
            return _cleared(outcome)
        except NotImportable as error:
            log.warning(
                "worker.suspect_not_isolated", job_id=run.job_id, kind=runnable.kind, error=str(error)
            )
            return None
        finally:
            self._is_taken = False


def _cleared(outcome: Outcome) -> Outcome:
    """Its process has survived it: what it was suspected of, others have done."""
    if isinstance(outcome, Retrying) and outcome.failure.cause is not Cause.CRASH:
        return replace(outcome, failure=replace(outcome.failure, lapses=0))
    return outcome
