"""The contract of the store: one suite of rules, run for each server that may stand behind it."""

import pytest

# the rules stand in modules that are no tests by name; their assertions are to say as much as those of tests
for verb in ("enqueue", "claim", "settle", "renew", "cancel", "inspect", "replay", "discard", "past"):
    pytest.register_assert_rewrite(f"{__name__}.{verb}_rules")
