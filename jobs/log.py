"""Logging: JSON in production, readable on a terminal, the current job on every line, secrets on none."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

from .arq_lines import as_arq
from .context import JobContext
from .redaction import Redactor, escape_controls
from .tracing import current_ids

#: The job that the code which logs is working on.  One variable, set once per attempt: cheaper than binding
#: each name.
current_job: ContextVar[JobContext | None] = ContextVar("monarq_current_job", default=None)


def configure(*, level: str = "info", log_format: str = "auto", show_payloads: bool = False) -> None:
    """Set up structlog for a process of Monarq; the standard library's loggers follow.

    Args:
        level: debug, info, warning or error.
        log_format: json, console, or auto: console on a terminal, else json.
        show_payloads: Do not hide what looks like arguments or results.
    """
    console = sys.stderr.isatty() if log_format == "auto" else log_format == "console"
    # tracebacks without the values of variables, which may be private
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderer: Processor = plain if console else structlog.processors.JSONRenderer()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_job,
        add_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        Redactor(show_payloads=show_payloads),
    ]
    if console:
        shared += [as_arq, escape_controls]
    stderr = cast(TextIO, _Stderr())
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


class _Stderr:
    """Stderr while somebody reads it: a worker whose log is a broken pipe must work, and stop, as ever."""

    def write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
        except (OSError, ValueError):  # ValueError: it is closed
            pass

    def flush(self) -> None:
        try:
            sys.stderr.flush()
        except (OSError, ValueError):
            pass


def add_job(logger: Any, method: str, event: EventDict) -> EventDict:
    """Name the job that the line is about, unless the line is about another one."""
    job = current_job.get()
    if job is not None and event.get("job_id", job.job_id) == job.job_id:
        event.setdefault("job_id", job.job_id)
        event.setdefault("kind", job.kind)
        event.setdefault("queue", job.queue)
        event.setdefault("attempt", job.attempt)
    return event


def add_trace(logger: Any, method: str, event: EventDict) -> EventDict:
    """Name the span that the code which logs is in, if the app traces, unless the line does."""
    if "trace_id" not in event and (ids := current_ids()) is not None:
        event["trace_id"], event["span_id"] = ids
    return event
