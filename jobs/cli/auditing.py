"""Writes down who changed what, if the settings name a database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..actor import this_actor
from ..errors import MonarqError
from ..settings import Settings
from ..store.dead_letters import Selection
from ..store.letter_filter import LetterFilter
from ..store.postgres import open_database_if_named
from .output import fail

if TYPE_CHECKING:
    from ..store.postgres.unit_of_work import UnitOfWork

PLACE = "the command line"


async def note(
    settings: Settings,
    action: str,
    acts: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    actor: str | None = None,
) -> None:
    """Write acts down: what each was done to, and what else there is to say.

    They are done: a database that does not take them is told on stderr, and fails nothing.
    """
    if not acts or settings.database_url is None:
        return
    try:
        await _write(settings, action, acts, actor or this_actor())
    except MonarqError as error:
        fail(f"this was done, but is not in the audit: {error}")


async def note_letters(
    settings: Settings, action: str, selection: Selection, done: Collection[Any], **detail: Any
) -> None:
    """Write down what was done to dead letters: one act per id, or one for a filter."""
    if not done:
        return
    if isinstance(selection, LetterFilter):
        wanted = {name: value for name, value in asdict(selection).items() if value is not None}
        told = ", ".join(f"{name} {value}" for name, value in wanted.items()) or "all"
        acts = [(f"dead letters: {told}", {"count": len(done), "filter": wanted} | detail)]
    else:
        acts = [(job_id, detail) for job_id in selection if job_id in done]
    await note(settings, action, acts)


async def _write(
    settings: Settings, action: str, acts: Sequence[tuple[str, Mapping[str, Any]]], actor: str
) -> None:
    async def write(unit: UnitOfWork) -> None:
        for subject, detail in acts:
            concerns = {name: detail[name] for name in ("queue", "kind") if isinstance(detail.get(name), str)}
            await unit.audit.add(
                actor=actor, place=PLACE, action=action, subject=subject, detail=detail, **concerns
            )

    database = open_database_if_named(settings)
    assert database is not None
    try:
        await database.transact(write)
    finally:
        await database.close()
