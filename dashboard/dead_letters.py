"""The dead letters, wherever they lie, for somebody of the dashboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from monarq.jobs.settings import Settings
from monarq.jobs.store.dead_letters import DeadLetters, Origin, open_dead_letters
from monarq.jobs.store.execute import Transport

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.database import Database

#: From where somebody replays, in the mark that it leaves.
PLACE = "the dashboard"

#: The dead letters, for who replays from somewhere.
LettersFor = Callable[[Origin], DeadLetters]


def letters_for(transport: Transport, database: Database | None, settings: Settings) -> LettersFor:
    """Opens them."""

    def open_for(origin: Origin) -> DeadLetters:
        return open_dead_letters(
            transport, database, tagged=settings.hash_tags, origin=origin, keep=settings.dead_keep
        )

    return open_for
