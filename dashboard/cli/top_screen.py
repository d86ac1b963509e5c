"""The screen of `monarq top`: as much as fits, what matters most first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..pages.words import plural
from ..services.fleet import FleetView
from ..verdicts import Level, Verdict
from .top_rows import (
    NUMBERS,
    QUEUE_COLUMNS,
    RUN_COLUMNS,
    WORKER_COLUMNS,
    Row,
    queue_rows,
    run_rows,
    sentence,
    staleness,
    summary,
    worker_rows,
)

#: Verdicts that are shown, at most: the worst come first.
_MOST_VERDICTS = 5
#: Lines of a table beside its rows: its head, what was left out, and a blank one.
_AROUND = 3
#: Columns of a terminal below which the gaps between columns are narrow.
_WIDE = 110
_COLOURS = {
    "unserved": "bold red",
    "late": "red",
    "stale": "red",
    "paused": "magenta",
    "draining": "yellow",
    "active": "green",
    "live": "green",
    "idle": "dim",
}


def screen(view: FleetView, height: int, width: int) -> RenderableType:
    """What to show on a terminal of so many lines and columns."""
    head = list(_head(view))
    queues, workers, runs = queue_rows(view), worker_rows(view), run_rows(view)
    room = height - len(head) - 3 * _AROUND
    for_queues = _share(room, len(queues), len(workers) + len(runs))
    for_workers = _share(room - for_queues, len(workers), len(runs))
    for_runs = max(0, room - for_queues - for_workers)
    gap = 2 if width >= _WIDE else 1
    return Group(
        *head,
        *_part(QUEUE_COLUMNS, queues, for_queues, gap),
        *_part(WORKER_COLUMNS, workers, for_workers, gap),
        *_part(RUN_COLUMNS, runs, for_runs, gap),
    )


def _share(room: int, wanted: int, by_others: int) -> int:
    """The lines for one table: what the others do not want, but half of the room if all want more."""
    return max(0, min(wanted, max(room // 2, room - by_others)))


def _head(view: FleetView) -> Iterator[Text]:
    clock = view.freshness.taken_at.strftime("%H:%M:%S UTC")
    yield Text(f"{clock}  ·  {summary(view)}", no_wrap=True, overflow="ellipsis")
    if told := staleness(view):
        yield Text(told, style="bold red", no_wrap=True, overflow="ellipsis")
    elif not view.verdicts:
        yield Text("healthy", style="green")
    for verdict in view.verdicts[:_MOST_VERDICTS]:
        yield _line(verdict)
    if (more := len(view.verdicts) - _MOST_VERDICTS) > 0:
        yield Text(f"and {plural(more, 'more finding')}", style="dim")
    yield Text()


def _line(verdict: Verdict) -> Text:
    colour = "bold red" if verdict.level is Level.PAGE else "yellow"
    parts = (f"{verdict.level:<8}", colour), sentence(verdict)
    return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")


def _part(columns: Sequence[str], rows: Sequence[Row], room: int, gap: int) -> Iterator[RenderableType]:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    for column in columns:
        is_number = column in NUMBERS
        table.add_column(
            column,
            justify="right" if is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
            # names give way to numbers, half of which would be another number
            min_width=max(map(len, (column, *(row[column] for row in rows)))) if is_number else None,
        )
    for row in rows[:room]:
        # as Text: a name of somebody's must not be taken for markup
        table.add_row(*(Text(row[column], style=_style(column, row)) for column in columns))
    yield table
    if len(rows) > room:
        yield Text(f"and {len(rows) - room:,} more", style="dim")
    yield Text()


def _style(column: str, row: Row) -> str:
    return _COLOURS.get(row["state"], "") if column == "state" else ""
