"""What the tests of the command line share."""

import pytest


@pytest.fixture(autouse=True)
def logging_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command sets logging up for its process; here the process is that of all tests."""
    monkeypatch.setattr("monarq.jobs.log.configure", lambda **_: None)
