"""Doing work."""

from arq.cron import cron
from arq.worker import func

from .worker import Worker

__all__ = ["Worker", "cron", "func"]
