"""The failures that have the most dead letters, for who wants them at once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import partial

from monarq.jobs.errors import StoreError
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.shared_reading import SharedReading

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from .letter_groups import LetterGroupService, SeenGroups

#: Seconds for which a count serves; for which somebody waits for a new one; and that it may take.
_FRESH, _PATIENCE, _TIMEOUT = 15.0, 0.05, 60.0
_MOST_KNOWN = 100


class TopFailures:
    """Groups of dead letters, as they were counted last.

    To count them takes as long as there are letters; a page that is to be there at once does not wait for it.
    """

    def __init__(self, groups: LetterGroupService, guard: Guard) -> None:
        self._groups = groups
        self._guard = guard
        #: By what a caller may see: a grant that ends takes what it showed along.
        self._known: OrderedDict[str, SharedReading[SeenGroups]] = OrderedDict()

    async def list(self, caller: Caller) -> SeenGroups | None:
        """The groups that are not snoozed, the largest first; None while they are being counted.

        Raises:
            NotPermitted: The caller may see no jobs.
        """
        sees = await self._guard.scope(caller, Permission.JOBS_READ)
        reads = await self._guard.held(caller, Permission.JOBS_PAYLOAD)
        key = f"{caller.subject} {sees} {reads}"
        if key not in self._known:
            count = partial(self._groups.list, caller, LetterFilter(), snoozed=False)
            self._known[key] = SharedReading(count, fresh=_FRESH, patience=_PATIENCE, timeout=_TIMEOUT)
        self._known.move_to_end(key)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        try:
            async with asyncio.timeout(_PATIENCE * 2):  # the first count of all goes on without us
                return (await self._known[key].get()).value
        except (TimeoutError, StoreError):
            return None
