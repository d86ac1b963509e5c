"""What a claim tells of a job's past: "spent crashes lapses abort fault note", nothing at its first start."""

from __future__ import annotations

#: Spent attempts, crashes, lapses and an abort of a job on its first start.
FRESH = (0, 0, 0, False)


def read_budget(past: bytes) -> tuple[int, int, int, bool]:
    """Spent attempts, crashes, lapses and an abort."""
    spent, crashes, lapses, aborted, _ = past.split(b" ", 4)
    return int(spent), int(crashes), int(lapses), aborted == b"1"


def read_news(past: bytes) -> tuple[str | None, str | None]:
    """Who asked for the job's cancellation, and which of its keys cannot be used."""
    fault, note = past.decode(errors="replace").split(" ", 5)[4:]
    return note or None, _FAULTS[fault]


#: What a job's past calls unusable among its keys.
_FAULTS = {
    "-": None,
    "job": "its envelope",
    "fence": "its fence",
    "starts": "its counter of starts",
    "failures": "its list of failures",
}
