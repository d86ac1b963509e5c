"""Dead letters and groups of them as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ..store.dead_letter import DeadLetter
from ..store.letter_groups import LetterGroup
from .output import print_table

_ERROR_CHARS = 120


def print_letters(letters: Sequence[DeadLetter]) -> None:
    """A line per letter."""
    columns = ("id", "queue", "kind", "died", "attempts", "error")
    print_table(columns, [_letter(letter) for letter in letters], nothing="no dead letters")


def print_groups(groups: Sequence[LetterGroup]) -> None:
    """A line per group."""
    columns = ("fingerprint", "count", "first", "last", "kinds", "error", "sample")
    print_table(columns, [_group(group) for group in groups], nothing="no dead letters")


def _letter(letter: DeadLetter) -> dict[str, object]:
    failures = letter.failures
    error = f"{failures[-1].error_type}: {_first_line(failures[-1].message)}" if failures else None
    return {
        "id": letter.job_id,
        "queue": letter.queue,
        "kind": letter.kind,
        "died": _shown(letter.died_at),
        "attempts": len(failures),
        "error": error if letter.fault is None else f"unreadable: {letter.fault}",
    }


def _group(group: LetterGroup) -> dict[str, object]:
    return {
        "fingerprint": group.fingerprint,
        "count": group.count,
        "first": _shown(group.first_seen),
        "last": _shown(group.last_seen),
        "kinds": _counted(group.kinds),
        "error": _first_line(group.sample.error),
        "sample": group.sample.job_id,
    }


def _counted(counts: Mapping[str, int]) -> str:
    """The most frequent first; how often only where there are several."""
    names = sorted(counts, key=lambda name: (-counts[name], name))
    return ", ".join(f"{name} ({counts[name]:,})" if len(names) > 1 else name for name in names)


def _shown(time: datetime) -> str:
    return time.astimezone().isoformat(sep=" ", timespec="seconds")


def _first_line(text: str) -> str:
    first = next(iter(str(text).splitlines()), "")
    return first if len(first) <= _ERROR_CHARS else first[: _ERROR_CHARS - 1] + "…"
