"""Workers from arq-style settings classes, by arq's own names."""

from __future__ import annotations

from typing import Any

from .options import options_of
from .worker import Worker

SettingsClass = type | dict[str, Any]


def create_worker(settings_class: SettingsClass, **kwargs: Any) -> Worker:
    """A worker by the attributes of a `WorkerSettings` class, or the entries of a dict; `kwargs` win."""
    return Worker(**{**options_of(settings_class, Worker), **kwargs})


def run_worker(settings_class: SettingsClass, **kwargs: Any) -> Worker:
    """Run a worker in this thread until it is stopped; returns it, for its `exit_code` and counters."""
    worker = create_worker(settings_class, **kwargs)
    worker.run()
    return worker
