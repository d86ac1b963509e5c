"""Which ends of jobs get a line in the log: by kind, as the setting `log_ends` says."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from random import random
from typing import NamedTuple

from monarq.jobs.settings import EndLines


class _Rule(NamedTuple):
    failures: bool
    #: The share of the successes.
    successes: float


_RULES = {"failures": _Rule(True, 0.0), "all": _Rule(True, 1.0), "none": _Rule(False, 0.0)}
#: Kinds that arq's own clients name may be any, so no more of them are remembered.
_MOST_KINDS = 1_000


class EndLineRules:
    """Decides per end.

    Args:
        given: By kind, or by a pattern of kinds; the first that fits counts.
    """

    def __init__(self, given: Mapping[str, EndLines]) -> None:
        self._given = {pattern: _read(rule) for pattern, rule in given.items()}
        self._of_kind: dict[str, _Rule] = {}
        #: Whether any success is told of: nearly always none, so that it is looked at first.
        self.any_success = any(rule.successes > 0 for rule in self._given.values())

    def tells_failure(self, kind: str) -> bool:
        """Whether an end of this kind gets its line that was no success."""
        return self._rule(kind).failures

    def tells_success(self, kind: str) -> bool:
        """Whether this success gets its line; of those that are sampled, by chance."""
        share = self._rule(kind).successes
        return share >= 1 or (share > 0 and random() < share)

    def _rule(self, kind: str) -> _Rule:
        rule = self._of_kind.get(kind)
        if rule is None:
            fitting = (rule for pattern, rule in self._given.items() if fnmatchcase(kind, pattern))
            rule = next(fitting, _RULES["failures"])
            if len(self._of_kind) < _MOST_KINDS:
                self._of_kind[kind] = rule
        return rule


def _read(rule: EndLines) -> _Rule:
    return _RULES[rule] if isinstance(rule, str) else _Rule(True, rule)
