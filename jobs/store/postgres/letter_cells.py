"""Dead letters that PostgreSQL has counted: per fingerprint, queue and kind, and perhaps per hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from ..dead_letter import LetterHead
from ..letter_groups import NO_KIND, LetterGroup

#: Queue, fingerprint, kind and a time of death.
CellPlace = tuple[str, str, str | None, datetime]


@dataclass(slots=True)
class Counted:
    """The letters of one fingerprint, queue and kind."""

    fingerprint: str
    queue: str
    kind: str | None
    first: datetime
    last: datetime
    number: int = 0
    hours: Counter[int] = field(default_factory=Counter)

    def place(self, died_at: datetime) -> CellPlace:
        """Where one of them is to be found."""
        return self.queue, self.fingerprint, self.kind, died_at

    def as_group(self, heads: Mapping[CellPlace, LetterHead]) -> LetterGroup:
        """The same with its newest and its oldest letter; the newest one must be among the heads."""
        newest = heads[self.place(self.last)]
        return LetterGroup(
            self.fingerprint,
            newest,
            heads.get(self.place(self.first), newest),
            self.number,
            Counter({self.kind or NO_KIND: self.number}),
            Counter({self.queue: self.number}),
            self.hours,
        )


def count_cells(rows: Iterable[asyncpg.Record]) -> Sequence[Counted]:
    """Of the rows of `letter_search.groups`, of which there is one per hour."""
    cells: dict[tuple[str, str, str | None], Counted] = {}
    for row in rows:
        key = row["fingerprint"], row["queue"], row["kind"]
        cell = cells.setdefault(key, Counted(*key, row["first"], row["last"]))
        cell.first, cell.last = min(cell.first, row["first"]), max(cell.last, row["last"])
        cell.number += row["number"]
        if row["hour"] is not None:
            cell.hours[row["hour"]] += row["number"]
    return list(cells.values())
