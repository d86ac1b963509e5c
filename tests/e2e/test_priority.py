"""A worker gives way to other processes as far as it is told."""

import os

from tests.e2e.conftest import Stage


async def test_a_worker_steps_back_as_far_as_it_is_told(stage: Stage) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    polite, plain = stage.worker(nice=7), stage.worker()
    await stage.ready(polite, plain)
    assert os.getpriority(os.PRIO_PROCESS, polite.pid) == max(7, own)
    assert os.getpriority(os.PRIO_PROCESS, plain.pid) == own
