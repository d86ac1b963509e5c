"""Waiting out a store that does not answer, in a worker."""

from __future__ import annotations

from monarq.jobs.store import outage


class Outage(outage.Outage):
    """One service's view of the store."""

    room = "worker"
