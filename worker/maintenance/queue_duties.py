"""What every worker does for the queues now and then; it needs nothing but Redis."""

from __future__ import annotations

from collections.abc import Iterable

from monarq.jobs.settings import Settings
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import QueueKeys

from .aborts import Aborts
from .announcer import Announcer
from .duties import Duty
from .pruner import Pruner, limit_of
from .sampler import Sampler


def queue_duties(link: Transport, queues: Iterable[QueueKeys], settings: Settings) -> tuple[Duty, ...]:
    """The duties, for a worker of these queues."""
    queues = list(queues)
    return (
        Announcer(link, queues),
        Aborts(link, queues),
        Pruner(link, queues, keep=settings.dead_keep, limit=limit_of(settings)),
        Sampler(link, tagged=settings.hash_tags),
    )
