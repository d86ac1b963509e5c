"""Checking what `why` says."""

import re

from monarq import Explanation, Reason
from monarq.jobs import State


def check(told: Explanation, state: State | None, reason: Reason, sentence: str) -> None:
    assert re.fullmatch(sentence, told.sentence), told.sentence
    assert (told.state, told.reason) == (state, reason)
