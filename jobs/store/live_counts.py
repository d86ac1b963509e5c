"""How many jobs that have not ended a search means: by the sizes of queues, or one by one."""

from __future__ import annotations

import asyncio

from ..state import FINAL, State
from .job_filter import JobFilter
from .live_search import LiveLook, NamedJobs, RunningJobs, WaitingJobs
from .queues import count

_LATER = frozenset({State.SCHEDULED, State.RETRYING})


async def count_by_queue(look: LiveLook) -> int | None:
    """The number, at the cost of some commands for each queue; None if only a look into each job tells.

    Nothing is asked of who may see the jobs.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    search = look.search
    wanted = {state for state in State if state not in FINAL and search.wants(state)}
    by_queue_alone = search.filter == JobFilter(queue=search.filter.queue)
    if not by_queue_alone or len(wanted & _LATER) == 1:  # those two stand in one zset
        return None
    counts = await asyncio.gather(*(count(look.transport, keys) for keys in look.asked()))
    return sum(
        (one.ready if State.READY in wanted else 0)
        + (one.running if State.RUNNING in wanted else 0)
        + (one.waiting if wanted & _LATER else 0)
        for one in counts
    )


async def count_one_by_one(look: LiveLook, at_most: int) -> tuple[int, bool]:
    """The number, and whether there may be more: no more jobs are read than for a page.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    search = look.search
    if search.filter.job_id is not None:
        return len((await NamedJobs(look).look(None, at_most, backwards=False)).found), False
    number, is_partial = 0, False
    sections: list[RunningJobs | WaitingJobs] = []
    if search.wants(State.RUNNING):
        sections.append(RunningJobs(look))
    if search.filter.worker is None and any(map(search.wants, {State.READY, *_LATER})):
        sections.append(WaitingJobs(look))
    for section in sections:
        stretch = await section.look(None, at_most, backwards=False)
        number += len(stretch.found)
        is_partial = is_partial or stretch.reached is not None
    return number, is_partial
