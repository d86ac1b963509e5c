"""What one sees while it runs: a live table on a terminal, a line per second elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .progress import Tally, ended

_PLAIN_EVERY = 1.0
_COLUMNS = ("enqueued", "waiting", "ready", "running", "succeeded", "retries", "dead")


class Screen(Protocol):
    """Where the show is seen."""

    def say(self, text: str) -> None:
        """Tell one event."""

    def tell(self, lines: Iterable[str]) -> None:
        """Print a paragraph; its first line is a heading."""

    def show(self, tallies: Sequence[Tally], rate: float) -> None:
        """Show how far the jobs are."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class LiveScreen:
    """A table that moves, with the events above it."""

    def __init__(self, console: Console) -> None:
        self._began = time.monotonic()
        self._live = Live(console=console, refresh_per_second=8)

    def say(self, text: str) -> None:
        line = Text.assemble((_clock(self._began), "dim"), "  ", text)
        self._live.console.print(line, soft_wrap=True)

    def tell(self, lines: Iterable[str]) -> None:
        heading, *rest = lines
        text = Text.assemble("\n", (heading, "bold"), *(f"\n{line}" for line in rest))
        self._live.console.print(text, soft_wrap=True)

    def show(self, tallies: Sequence[Tally], rate: float) -> None:
        self._live.update(_picture(tallies, rate))

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


class PlainScreen:
    """Lines for logs and pipes."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._next = 0.0

    def say(self, text: str) -> None:
        print(f"{_clock(self._began)}  {text}", flush=True)

    def tell(self, lines: Iterable[str]) -> None:
        print("", *lines, sep="\n", flush=True)

    def show(self, tallies: Sequence[Tally], rate: float) -> None:
        total = sum(tally.counter("enqueued") for tally in tallies)
        is_last = ended(tallies) == total
        if time.monotonic() < self._next and not is_last:
            return
        self._next = time.monotonic() + _PLAIN_EVERY
        numbers = {name: sum(_number(tally, name) for tally in tallies) for name in _COLUMNS[1:]}
        shown = "  ".join(f"{name} {number}" for name, number in numbers.items())
        self.say(f"{ended(tallies)}/{total} ended  {shown}  {rate:.0f}/s")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


def _picture(tallies: Sequence[Tally], rate: float) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="bold", show_footer=True, footer_style="bold")
    table.add_column("job kind", "all")
    for name in _COLUMNS:
        total = sum(_number(tally, name) for tally in tallies)
        table.add_column(name, str(total), justify="right", style=_STYLES.get(name, ""))
    for tally in tallies:
        table.add_row(tally.kind, *(str(_number(tally, name)) for name in _COLUMNS))
    total = sum(tally.counter("enqueued") for tally in tallies)
    bar = Table.grid(padding=(0, 2))
    bar.add_row(
        ProgressBar(total=max(1, total), completed=ended(tallies), width=50),
        f"{ended(tallies)} of {total} ended",
        f"{rate:.0f}/s",
    )
    return Group("", table, "", bar)


_STYLES = {"running": "cyan", "succeeded": "green", "retries": "yellow", "dead": "red"}


def _number(tally: Tally, column: str) -> int:
    match column:
        case "waiting" | "ready" | "running":
            return int(getattr(tally.counts, column))
        case "retries":
            return tally.counter("retrying")
    return tally.counter(column)


def _clock(began: float) -> str:
    return f"{time.monotonic() - began:5.1f} s"
