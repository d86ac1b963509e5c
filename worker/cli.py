"""`monarq worker`: run jobs until told to stop."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from monarq.jobs.cli.commands import new_commands
from monarq.jobs.cli.session import configure_log, importing, load_handlers, read_settings, see_current_folder
from monarq.jobs.errors import ConfigError, DefinitionError
from monarq.jobs.handler import Handler
from monarq.jobs.settings import METRICS_PORT, Settings, parse_queues

from .options import options_of
from .worker import Worker

log = structlog.get_logger("monarq.worker")

app = new_commands()


def _read_queues(text: str) -> dict[str, int]:
    try:
        return parse_queues(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


SettingsClass = Annotated[
    str | None,
    typer.Argument(metavar="SETTINGS_CLASS", help="An arq-style settings class: app.worker.WorkerSettings"),
]
Jobs = Annotated[
    str | None,
    typer.Option(
        metavar="MODULES", help="Modules that hold @job handlers, separated by commas.  [MONARQ_JOBS]"
    ),
]
Queues = Annotated[
    Any,
    typer.Option(
        "--queues",
        parser=_read_queues,
        metavar="NAMES",
        help="mail,default in strict order, or critical=6,default=3 by weights.  [MONARQ_QUEUES]",
    ),
]
Concurrency = Annotated[
    int | None, typer.Option(min=1, help="Jobs that this process runs at once.  [MONARQ_CONCURRENCY]")
]


@app.command()
def worker(
    settings_class: SettingsClass = None,
    jobs: Jobs = None,
    queues: Queues = None,
    concurrency: Concurrency = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Metrics and probes; 0: none.  [MONARQ_METRICS_PORT]  Default: 9464."
        ),
    ] = None,
    burst: Annotated[bool | None, typer.Option("--burst", help="End when nothing waits any more.")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Restart when a file of this folder changes.")
    ] = False,
) -> None:
    """Run jobs.  SIGTERM or Ctrl-C lets them finish within the drain time; a second one hands them back.

    Ends with 0 when all was finished, 75 when some were handed back, 69 if Redis does not answer, 78 for bad
    settings.
    """
    settings = read_settings(jobs=jobs, queues=queues, concurrency=concurrency, metrics_port=metrics_port)
    if settings.metrics_port is None:
        settings = settings.model_copy(update={"metrics_port": METRICS_PORT})
    if watch:
        raise typer.Exit(asyncio.run(_reload(settings)))
    options = {"burst": burst, "queues": queues, "max_jobs": concurrency}
    given = {name: value for name, value in options.items() if value is not None}
    made = make_worker(settings, settings_class, **given)
    made.run()
    raise typer.Exit(made.exit_code)


def make_worker(settings: Settings, settings_class: str | None = None, **given: Any) -> Worker:
    """A worker for the modules of the settings, and the settings class if any; `given` wins over both.

    Raises:
        DefinitionError: Something of the app's cannot be imported, or is not what it should be.
        ConfigError: There is nothing to run.
    """
    handlers = list(load_handlers(settings.jobs))
    options = {"settings": settings} | (_options(settings_class) if settings_class else {})
    if "queue_name" not in options:
        options.setdefault("queues", options["settings"].queues)
    options["functions"] = [*options.get("functions", ()), *handlers]
    if not options["functions"] and not options.get("cron_jobs"):
        raise ConfigError(["no jobs: name their modules in --jobs or MONARQ_JOBS, or give a settings class"])
    configure_log(options["settings"])
    options |= given
    if (served := options.get("queues")) is not None:
        _warn_of_unserved(handlers, served)
    return Worker(**options)


def _warn_of_unserved(handlers: Iterable[Handler[..., Any]], served: Iterable[str]) -> None:
    """The surprise of a first day: the handler is loaded, but its jobs wait in a queue that nobody serves."""
    for queue in sorted({handler.policy.queue for handler in handlers} - set(served)):
        kinds = sorted(handler.kind for handler in handlers if handler.policy.queue == queue)
        mend = f"if no other worker serves it: --queues {','.join([*served, queue])}"
        log.warning("worker.queue_not_served", queue=queue, kinds=kinds, mend=mend)


def _options(path: str) -> dict[str, Any]:
    see_current_folder()
    module_name, _, name = path.replace(":", ".").rpartition(".")
    if not module_name:
        raise DefinitionError(f"settings class {path!r}: give its module, too: app.worker.WorkerSettings")
    module = importing(module_name, lambda: importlib.import_module(module_name))
    found = getattr(module, name, None)
    if not isinstance(found, (type, dict)):
        raise DefinitionError(f"settings class {path!r}: {module_name} has no class of that name")
    return options_of(found, Worker)


async def _reload(settings: Settings) -> int:
    from .dev.reloading import run_reloading

    command = [sys.executable, "-m", "monarq.jobs.cli", *(arg for arg in sys.argv[1:] if arg != "--watch")]
    return await run_reloading(command, Path.cwd(), drain=settings.drain_timeout)
