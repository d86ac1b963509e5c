"""Doing work."""

from arq.cron import cron
from arq.worker import func

from .settings_class import create_worker, run_worker
from .worker import Worker

__all__ = ["Worker", "create_worker", "cron", "func", "run_worker"]
