"""`monarq health`: does a live worker serve the queues?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..store.workers import HistoryReport, LiveWorker, live_workers
from .commands import new_commands
from .exit_codes import ExitCode
from .output import AsJson, fail, print_json, print_table
from .session import read_settings, with_store

app = new_commands()

#: A batch takes half a second to gather.
_NOTABLE_LAG_MS = 2_000

Queues = Annotated[
    list[str] | None, typer.Option("--queue", "-q", help="Ask for this queue; may be repeated.")
]


@app.command()
def health(queues: Queues = None, as_json: AsJson = False) -> None:
    """List the live workers; a worker that is stopping, or does not report, serves no queue any more.

    Ends with 0 if every queue asked for (by default: any queue) has a live worker, else with 1.
    """
    workers = with_store(read_settings(), live_workers)
    unserved = _unserved(workers, queues or [])
    if as_json:
        print_json(
            {"healthy": not unserved, "unserved": unserved, "workers": [asdict(worker) for worker in workers]}
        )
    else:
        columns = ("worker", "queues", "busy", "slots", "kinds", "state", "history")
        print_table(columns, [_row(worker) for worker in workers], nothing="no live worker")
    if unserved:
        if not as_json:
            fail(f"no live worker serves {', '.join(unserved)}; start one: monarq worker")
        raise typer.Exit(ExitCode.FAILURE)


def _unserved(workers: list[LiveWorker], queues: list[str]) -> list[str]:
    if not queues:
        return [] if any(worker.is_live for worker in workers) else ["any queue"]
    return [queue for queue in queues if not any(worker.serves(queue) for worker in workers)]


def _row(worker: LiveWorker) -> dict[str, object]:
    return {
        "worker": worker.worker,
        "queues": ", ".join(f"{name}={weight}" if weight else name for name, weight in worker.queues.items()),
        "busy": worker.busy,
        "slots": worker.slots,
        "kinds": len(worker.kinds),
        "state": "stale" if worker.is_stale else "stopping" if worker.stopping else "serving",
        "history": _history(worker.history),
    }


def _history(report: HistoryReport | None) -> str:
    if report is None:
        return "off"
    behind = f"{report.lag_ms / 1000:.0f} s behind" if report.lag_ms >= _NOTABLE_LAG_MS else "written"
    return f"{behind}, {report.dropped} dropped" if report.dropped else behind
