"""The table for people: docs/benchmarks.md, rewritten between two markers; text around them is left alone."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from .environments import version_of
from .servers import Server
from .systems import SYSTEMS, System
from .targets import LIMIT, OURS, ROWS, Row, Table, best_peer

DOCS = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: begin (written by `make bench`) -->", "<!-- results: end -->"

#: What the page says before anyone has edited it.
PAGE = Path(__file__).parent / "page.md"


def facts(redis: Server, rounds: int, scale: float) -> dict[str, Any]:
    """What one must know to compare the numbers with others."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores of {cpu_model()}, {memory_gib()} GiB, {platform.system()}",
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "server": redis.version,
        "rounds": rounds,
        "scale": scale,
    }


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def medians(document: dict[str, Any]) -> Table:
    return {m: {s: median(values) for s, values in by.items()} for m, by in document["values"].items()}


def number(value: float | None, row: Row) -> str:
    return "-" if value is None else f"{value:,.{row.digits}f}"


def ratio(ours: float | None, theirs: float | None) -> str:
    if ours is None or not theirs:
        return "-"
    return f"{ours / theirs:,.1f}" if ours >= 10 * theirs else f"{ours / theirs:.2f}"


def markdown(header: list[str], lines: list[list[str]], align: str = "---:") -> str:
    divider = ["---"] + [align] * (len(header) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, divider, *lines))


def main_table(table: Table) -> str:
    measured = {name for by_system in table.values() for name in by_system}
    columns = [system for name, system in SYSTEMS.items() if name in measured]
    lines = [
        [row.title, *(number(table[row.metric].get(system.name), row) for system in columns)]
        for row in ROWS
        if row.metric in table
    ]
    return markdown(["", *(system.label for system in columns)], lines)


def verdict(row: Row, table: Table) -> str:
    marks = {True: "yes", False: "**no**", None: "not measured"}
    return "; ".join(f"{target.text}: {marks[target.holds(table)]}" for target in row.targets)


def ratio_table(table: Table) -> str:
    lines = []
    for row in ROWS:
        by_system = table.get(row.metric, {})
        if OURS not in by_system:
            continue
        best = best_peer(row, table)
        ours = by_system[OURS]
        against_best = f"{ratio(ours, by_system[best])} ({SYSTEMS[best].label})" if best else "-"
        against = [ratio(ours, by_system.get("arq")), against_best, ratio(ours, by_system.get(LIMIT))]
        lines.append([row.title, number(ours, row), *against, verdict(row, table)])
    header = ["", "Monarq", "÷ arq (tuned)", "÷ best Python peer", "÷ raw loop", "target: reached"]
    return markdown(header, lines)


def peer_wins(table: Table) -> str:
    """Where Monarq is not the best: named, not hidden."""
    found = []
    for row in ROWS:
        best, ours = best_peer(row, table), table.get(row.metric, {}).get(OURS)
        if best is None or ours is None:
            continue
        theirs = table[row.metric][best]
        if theirs > ours if row.more_is_better else theirs < ours:
            found.append(
                f"- {row.title}: {SYSTEMS[best].label} {number(theirs, row)}, Monarq {number(ours, row)}"
            )
    return "\n".join(found) or "- nowhere in this run"


def ran_twice(table: Table) -> list[str]:
    """Jobs that ran more than once although nothing went wrong."""
    return [
        f"{SYSTEMS[name].label} ran {extra:,.0f} jobs more than there were ({where})"
        for metric, where in (("ran_twice", "one process"), ("ran_twice_two", "two processes"))
        for name, extra in table.get(metric, {}).items()
        if extra > 0
    ]


def version(system: System) -> str:
    return (
        f"{system.package} {version_of(system.peer, system.package)}" if system.package else "this repository"
    )


def settings(table: Table) -> str:
    measured = {name for by_system in table.values() for name in by_system}
    chosen = [system for name, system in SYSTEMS.items() if name in measured]
    return markdown(
        ["system", "version", "settings"], [[s.label, version(s), s.settings] for s in chosen], "---"
    )


def render(document: dict[str, Any]) -> str:
    """The part between the markers."""
    table, known = medians(document), document["facts"]
    worst = {m: {s: max(v) for s, v in by.items()} for m, by in document["values"].items() if "twice" in m}
    notes = [*ran_twice(worst), *document["notes"]]
    trial = "" if known["scale"] == 1.0 else f" **A trial with {known['scale']:g} of the jobs.**"
    parts = [
        f"{known['date']}: {known['machine']}; Python {known['python']}; {known['server']} on loopback, no"
        f" persistence unless a row says so; load {known['load_before']} before; medians of {known['rounds']}"
        f" interleaved rounds.{trial}",
        main_table(table),
        "### Ratios and targets\n\n" + ratio_table(table),
        "### Where a peer wins\n\n" + peer_wins(table),
        "### Versions and settings\n\n" + settings(table),
    ]
    if notes:
        parts.append("### Notes on this run\n\n" + "\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts)


def write(document: dict[str, Any], path: Path = DOCS) -> Path:
    """Replace what stands between the markers; a page without markers gets them at its end."""
    page = path.read_text() if path.exists() else PAGE.read_text()
    if BEGIN not in page or END not in page:
        page = f"{page.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, rest = page.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before}{BEGIN}\n\n{render(document)}\n\n{END}{after}")
    return path
