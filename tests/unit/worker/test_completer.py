"""What becomes of outcomes that are recorded, and of those who are told."""

from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.verbs import Claimed, End, Settlement, Verb
from monarq.worker import completer as completers
from monarq.worker.completer import Batch, Completer
from monarq.worker.run import Run


def a_run(job_id: str) -> Run:
    return Run(Claimed(queue_keys("mail"), job_id, 1, 0, 0, 0, 0, False, None, 0), "w:1", leased_until=0)


async def test_a_fault_of_who_is_told_does_not_have_an_end_recorded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorded: list[Any] = []

    async def record(_link: object, request: Any) -> list[Settlement]:
        recorded.append(request)
        return [Settlement.RECORDED]

    def told(_batch: Batch, _settlements: Sequence[Settlement]) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(completers, "execute", record)
    completer = Completer(None, told, worker_id="w")  # type: ignore[arg-type]
    with capture_logs() as lines:
        for number in range(2):
            completer.add(a_run(f"j{number}"), End(f"j{number}", "w:1", Verb.SUCCEEDED))
            assert await completer.drain(5)
    assert completer.pending == 0
    assert len(recorded) == 2
    assert [line["event"] for line in lines] == ["worker.settled_unheard"] * 2
