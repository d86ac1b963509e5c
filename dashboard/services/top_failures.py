"""The failures that have the most dead letters, for who wants them at once."""

from __future__ import annotations

import asyncio
from functools import partial

from monarq.jobs.errors import StoreError
from monarq.jobs.store.letter_filter import LetterFilter

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..cache import Cache
from .letter_groups import LetterGroupService, SeenGroups

#: Seconds for which a count serves, and for which somebody waits for a new one.
_FRESH, _PATIENCE = 15.0, 0.1
_MOST_KNOWN = 100


class TopFailures:
    """Groups of dead letters, as they were counted last.

    To count them takes as long as there are letters; a page that is to be there at once does not wait for it.
    """

    def __init__(self, groups: LetterGroupService, guard: Guard) -> None:
        self._groups = groups
        self._guard = guard
        #: By what a caller may see: a grant that ends takes what it showed along.
        self._known = Cache[SeenGroups](_FRESH, most=_MOST_KNOWN)

    async def list(self, caller: Caller) -> SeenGroups | None:
        """The groups that are not snoozed, the largest first; None while they are being counted.

        Raises:
            NotPermitted: The caller may see no jobs.
        """
        sees = await self._guard.scope(caller, Permission.JOBS_READ)
        reads = await self._guard.held(caller, Permission.JOBS_PAYLOAD)
        key = f"{caller.subject} {sees} {reads}"
        count = partial(self._groups.list, caller, LetterFilter(), snoozed=False)
        try:
            async with asyncio.timeout(_PATIENCE):  # the count goes on without us
                return (await self._known.get(key, count)).value
        except (TimeoutError, StoreError):
            kept = self._known.last(key)
            return None if kept is None else kept.value
