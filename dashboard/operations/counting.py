"""What an operation would be done to: counted, with some of it to look at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from monarq.jobs.store.dead_letter import LetterHead
from monarq.jobs.store.dead_letters import DeadLetters
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.letter_groups import LetterGroup, Survey
from monarq.jobs.store.letter_pages import Turn

from .mandate import Reach

#: Jobs that are shown, of those that are meant.
SAMPLE = 5
NOT_PERMITTED = "not_permitted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many jobs are meant, and where they are."""

    total: int
    #: Those that may be seen, but are not meant, by reason.
    ineligible: dict[str, int]
    queues: list[str]
    sample: list[dict[str, Any]]
    #: `<queue>=<id>` of each, where no filter names them again.
    items: Sequence[str] = ()


async def count_letters(letters: DeadLetters, wanted: LetterFilter, read: Reach, act: Reach) -> Counted:
    """Dead letters that a filter means.

    Args:
        wanted: Bound to a time.
        read: What may be seen, and `act`: to what it may be done.
    """
    survey = await letters.survey(wanted)
    page = await letters.page(wanted, Turn(limit=SAMPLE), lambda head: act.covers(head.queue.name, head.kind))
    return _counted(survey.cells, page.heads, read, act)


async def count_named_letters(
    letters: DeadLetters, job_ids: Sequence[str], wanted: LetterFilter, read: Reach, act: Reach
) -> Counted:
    """Dead letters that are named one by one, as far as the filter means them, too."""
    survey, heads = Survey(), list[LetterHead]()
    async with aclosing(letters.select(job_ids)) as pages:
        async for page in pages:
            heads += [head for head in page if _is_meant(head, wanted)]
    survey.add(heads)
    meant = [head for head in heads if act.covers(head.queue.name, head.kind)]
    items = sorted(f"{head.queue.name}={head.job_id}" for head in meant)
    return _counted(survey.cells, meant[:SAMPLE], read, act, items)


def _is_meant(head: LetterHead, wanted: LetterFilter) -> bool:
    return wanted.queue in (None, head.queue.name) and wanted.spans(head.died_ms) and wanted.fits(head)


def _counted(
    cells: Sequence[LetterGroup],
    heads: Sequence[LetterHead],
    read: Reach,
    act: Reach,
    items: Sequence[str] = (),
) -> Counted:
    meant, seen = list[LetterGroup](), 0
    for cell in cells:
        place = cell.sample.queue.name, cell.sample.kind
        if act.covers(*place):
            meant.append(cell)
        elif read.covers(*place):
            seen += cell.count
    return Counted(
        total=sum(cell.count for cell in meant),
        ineligible={NOT_PERMITTED: seen} if seen else {},
        queues=sorted({cell.sample.queue.name for cell in meant}),
        sample=[_told(head) for head in heads],
        items=items,
    )


def _told(head: LetterHead) -> dict[str, Any]:
    return {
        "job_id": head.job_id,
        "queue": head.queue.name,
        "kind": head.kind,
        "at": head.died_at.isoformat(),
        "error": str(head.failure.error_type) or None,
    }
