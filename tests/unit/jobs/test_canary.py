"""Which records tell against a mend."""

import pytest

from monarq.jobs.failure import Cause, Failure
from monarq.jobs.store.canary import _tells_against


@pytest.mark.parametrize(
    ("cause", "crashes", "failed"),
    [
        (Cause.ERROR, 0, True),
        (Cause.TIMEOUT, 0, True),
        (Cause.CORRUPTION, 0, True),
        (Cause.REPLAY, 0, False),  # nothing has happened since
        (Cause.INTERRUPTION, 0, False),  # a deploy
        (Cause.CRASH, 0, False),  # its worker was lost: perhaps by a neighbour's fault
        (Cause.CRASH, 1, True),  # it was alone
    ],
)
def test_only_what_is_surely_its_own_fault_tells_against_a_job(
    cause: Cause, crashes: int, failed: bool
) -> None:
    record = Failure(spent=1, crashes=crashes, cause=cause, fence=1, worker="w1")
    assert _tells_against(record) is failed
