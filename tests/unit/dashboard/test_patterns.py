"""Patterns of names."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monarq.dashboard.access.patterns import matches

NAMES = st.text("ab.", min_size=1, max_size=8)
PATTERNS = st.text("ab.*", min_size=1, max_size=8)


@given(PATTERNS, NAMES)
def test_a_star_stands_for_any_characters_or_none(pattern: str, name: str) -> None:
    expression = ".*".join(map(re.escape, pattern.split("*")))
    assert matches(pattern, name) == bool(re.fullmatch(expression, name))


@given(PATTERNS, PATTERNS, NAMES)
def test_a_pattern_that_matches_a_pattern_matches_all_that_it_stands_for(
    wide: str, narrow: str, name: str
) -> None:
    if matches(wide, narrow) and matches(narrow, name):
        assert matches(wide, name)


@pytest.mark.parametrize("pattern", ["*a" * 60 + "b", "a*" * 64, "*" * 128])
def test_no_pattern_takes_long(pattern: str) -> None:
    began = time.process_time()  # not by the clock on the wall, which a busy machine sets
    matches(pattern, "a" * 128)
    assert time.process_time() - began < 0.5
