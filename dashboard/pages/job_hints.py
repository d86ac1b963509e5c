"""Why a search may have found nothing: names that no job has, and what was meant perhaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from monarq.jobs.store.search_terms import Term

from ..access.caller import Caller
from ..services.completions import CompletionService

_CHECKED = frozenset({"queue", "kind", "tag", "worker"})


@dataclass(frozen=True, slots=True)
class Hint:
    """A value that no job has had lately, and one that some had."""

    name: str
    value: str
    meant: str | None


async def hints_for(completions: CompletionService, caller: Caller, terms: Sequence[Term]) -> list[Hint]:
    """What looks mistyped in a search."""
    hints = []
    for name in sorted({term.name for term in terms} & _CHECKED):
        known = await completions.values(caller, name)
        for word in (word for term in terms if term.name == name for word in term.values):
            if word.text not in known:
                near = get_close_matches(word.text, known, n=1)
                hints.append(Hint(name, word.text, near[0] if near else None))
    return hints
