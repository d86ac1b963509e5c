"""The run: every workload, round by round, one system after the other on the same server."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from .environments import NotInstalled, interpreter_of
from .processes import Failed
from .servers import Server, server
from .systems import System
from .workloads import ONCE, WORKLOADS, Run

Say = Callable[[str], None]


@dataclass(slots=True)
class Results:
    """Every single value, and what could not be measured.

    Attributes:
        values: metric, then system, then one value per round.
        notes: Why something is missing or odd, in the order it came up.
    """

    values: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    notes: list[str] = field(default_factory=list)

    def add(self, system: str, metrics: dict[str, float]) -> None:
        for metric, value in metrics.items():
            self.values[metric][system].append(value)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def medians(self) -> dict[str, dict[str, float]]:
        return {
            metric: {system: median(values) for system, values in by_system.items()}
            for metric, by_system in self.values.items()
        }

    def as_json(self) -> dict[str, Any]:
        return {"values": {m: dict(v) for m, v in self.values.items()}, "notes": self.notes}


def install(systems: Sequence[System], results: Results, say: Say) -> list[System]:
    """Make the peers' environments; a peer that cannot be installed is left out with a note."""
    ready = []
    for system in systems:
        if not system.own:
            say(f"environment of {system.peer}")
        try:
            if not system.own:
                interpreter_of(system.peer)
            ready.append(system)
        except NotInstalled as error:
            results.note(f"{system.label}: not installed: {error}")
    return ready


def once(run: Run, workload: str, results: Results, say: Say, label: str) -> None:
    began = time.monotonic()
    try:
        metrics = WORKLOADS[workload](run)
    except Failed as error:
        results.note(f"{run.system.label}, {workload}: {error}")
        say(f"{label}: {error}")
        return
    results.add(run.system.name, metrics)
    shown = ", ".join(f"{name} {value:,.4g}" for name, value in metrics.items())
    say(f"{label}: {shown}  ({time.monotonic() - began:.0f} s)")


def together(
    systems: Sequence[System], workload: str, name: str, scale: float, results: Results, say: Say
) -> None:
    """Workloads that load nothing run for all systems at once, each on a server of its own."""

    def alone(system: System) -> None:
        with server(name) as own:
            once(
                Run(system=system, server=own, scale=scale),
                workload,
                results,
                say,
                f"{workload} · {system.label}",
            )

    with ThreadPoolExecutor(len(systems)) as pool:
        list(pool.map(alone, systems))


def interleaved(
    systems: Sequence[System],
    workloads: Sequence[str],
    redis: Server,
    *,
    rounds: int,
    scale: float,
    results: Results,
    say: Say,
    give_up: float = float("inf"),
) -> None:
    """Run the workloads in turn; within one, a round takes every system, each time starting with another.

    Args:
        give_up: `time.monotonic()` after which no round but the first is begun.
    """
    for workload in (name for name in workloads if name not in ONCE):
        chosen = [system for system in systems if workload in system.workloads]
        for number in range(rounds):
            if number and time.monotonic() > give_up:
                results.note(f"{workload}: {number} of {rounds} rounds, for lack of time")
                break
            turn = number % max(1, len(chosen))
            for system in chosen[turn:] + chosen[:turn]:
                label = f"{workload} {number + 1}/{rounds} · {system.label}"
                once(Run(system=system, server=redis, scale=scale), workload, results, say, label)
