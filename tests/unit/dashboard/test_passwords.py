"""Passwords: who has none cannot be logged in by any."""

import pytest

from monarq.dashboard.auth import passwords
from monarq.dashboard.auth.passwords import LONGEST, Passwords, hash_password

KNOWN = hash_password("correct horse battery")


@pytest.mark.parametrize("kept", [None, "", "no hash at all"])
async def test_who_has_no_password_cannot_log_in_by_one(
    kept: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # even the one that the work is done with in place of a missing one
    monkeypatch.setattr(passwords, "_nobodys_hash", lambda: KNOWN)
    assert not await Passwords().is_right(kept, "correct horse battery")


async def test_a_password_fits_its_own_hash_and_no_other() -> None:
    assert await Passwords().is_right(KNOWN, "correct horse battery")
    assert not await Passwords().is_right(KNOWN, "correct horse batterz")
    assert not await Passwords().is_right(hash_password("a" * LONGEST), "a" * (LONGEST + 1))
