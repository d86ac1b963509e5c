"""Why a queue looks as it does: a sentence for who sees that nothing moves in it."""

from __future__ import annotations

from dataclasses import dataclass

from .verdicts import QueueFacts


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why a queue looks as it does, and what can be done about it."""

    sentence: str
    #: A command to run; empty if there is none.
    mend: str = ""


def diagnose(facts: QueueFacts, stopping: int) -> Diagnosis | None:
    """What is to be said of a queue in which nothing moves; None if something does.

    Args:
        stopping: Workers that served it, and are draining or do not report.
    """
    numbers, name = facts.numbers, facts.name
    run = f"monarq worker --queues {name}"
    if numbers.pause is not None:
        waits = f"; {numbers.ready:,} wait for its resume" if numbers.ready else ""
        return Diagnosis(f"Paused by {numbers.pause.by}: {numbers.pause.why}{waits}")
    if not facts.serving and numbers.claimable:
        gone = f" ({stopping} that did will claim no more)" if stopping else ""
        return Diagnosis(f"{numbers.claimable:,} ready, no worker listens on {name}{gone}", run)
    if numbers.ready and not numbers.claimable:
        return Diagnosis(f"All {numbers.ready:,} ready jobs are of kinds that are paused")
    if not facts.serving and not numbers.is_empty:
        return Diagnosis(f"{numbers.waiting:,} wait for their time, and no worker listens on {name}", run)
    if not facts.serving:
        return Diagnosis(f"Nothing waits, and no worker listens on {name}", run)
    if numbers.is_empty and not facts.is_moving:
        return Diagnosis("Nothing waits and nothing runs")
    return None
