"""`monarq health`: does a live worker serve the queues?  Or: is the process at this machine's port well?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigError
from ..settings import METRICS_PORT, load_settings
from .commands import new_commands
from .exit_codes import ExitCode
from .output import AsJson, fail, print_json, print_table
from .probing import Probe, ask

if TYPE_CHECKING:
    from ..store.workers import HistoryReport, LiveWorker

app = new_commands()

#: A batch takes half a second to gather.
_NOTABLE_LAG_MS = 2_000

Queues = Annotated[
    list[str] | None, typer.Option("--queue", "-q", help="Ask for this queue; may be repeated.")
]
Port = Annotated[
    int | None,
    typer.Option(
        min=1, max=65535, help="Where the one process is asked.  [MONARQ_METRICS_PORT]  Default: 9464."
    ),
]


@app.command()
def health(
    queues: Queues = None,
    live: Annotated[bool, typer.Option("--live", help="Ask one process: does it live?")] = False,
    ready: Annotated[bool, typer.Option("--ready", help="Is it ready, and do its stores answer?")] = False,
    started: Annotated[bool, typer.Option("--started", help="Has it started?")] = False,
    port: Port = None,
    as_json: AsJson = False,
) -> None:
    """List the live workers; a worker that is stopping, or does not report, serves no queue any more.

    Ends with 0 if every queue asked for (by default: any queue) has a live worker, else with 1.

    With --live, --ready or --started it asks a single process of this machine, at its own port: a worker, or
    with --port 9463 a relay, with --port 9462 a dashboard.  Ends with 0 for yes, else with 1, also if nothing
    answers.
    """
    probes = [probe for probe, asked in zip(Probe, (live, ready, started), strict=True) if asked]
    if len(probes) > 1 or (queues and probes) or (port and not probes):
        raise typer.BadParameter("ask for queues, or with --live, --ready or --started for one process")
    if probes:
        _ask_one(probes[0], port, as_json=as_json)
    else:
        _ask_all(queues or [], as_json=as_json)


def _ask_one(probe: Probe, port: int | None, *, as_json: bool) -> None:
    settings = load_settings(metrics_port=port)
    port = METRICS_PORT if settings.metrics_port is None else settings.metrics_port
    if port == 0:
        raise ConfigError(["MONARQ_METRICS_PORT: it is 0, and so no process tells how it is"])
    answer = ask(probe, settings.metrics_host, port)
    if as_json:
        print_json(answer.facts)
    elif answer.is_well:
        typer.echo(probe)
    else:
        fail(": ".join(filter(None, (f"not {probe}", answer.reasons))))
    if not answer.is_well:
        raise typer.Exit(ExitCode.FAILURE)


def _ask_all(queues: list[str], *, as_json: bool) -> None:
    # here: who keeps a process alive asks every few seconds, and needs nothing of it
    from dataclasses import asdict

    from ..store.workers import live_workers
    from .session import read_settings, with_store

    workers = with_store(read_settings(), live_workers)
    unserved = _unserved(workers, queues)
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
