"""What an operation may touch: the scope of who planned it, as it was then, written down with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..access.scope import Area, Resource, Scope


def write_scope(scope: Scope) -> list[dict[str, Any]]:
    """As plain data.  Where the request came from was judged already."""
    return [{"queues": area.queues, "kinds": area.kinds, "owner": area.owner} for area in scope.areas]


def read_scope(written: Iterable[Mapping[str, Any]]) -> Scope:
    """The same again."""
    return Scope(
        tuple(
            Area(queues=_groups(area["queues"]), kinds=_groups(area["kinds"]), owner=area["owner"])
            for area in written
        )
    )


class Reach:
    """A scope, asked of many jobs: each queue and kind is judged once.

    Who made a job does not count: a grant for one's own jobs reaches nothing here.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._known: dict[tuple[str, str | None], bool] = {}

    def covers(self, queue: str, kind: str | None) -> bool:
        """Whether jobs of this queue and kind (None: nobody can read it) lie in it."""
        place = queue, kind
        if place not in self._known:
            self._known[place] = self._scope.covers(Resource(queue=queue, kind=kind))
        return self._known[place]


def _groups(written: Iterable[Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(group) for group in written)
