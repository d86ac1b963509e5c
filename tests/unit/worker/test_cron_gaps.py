"""How long a schedule may be silent: the longest time between two of its next instants."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from arq.cron import cron

from monarq.worker.maintenance.cron import longest_gap

#: A Wednesday.
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


async def tick(ctx: dict[Any, Any]) -> None: ...


@pytest.mark.parametrize(
    ("times", "gap"),
    [
        ({"minute": 0}, timedelta(hours=1)),
        ({"hour": 9, "minute": 0, "weekday": {0, 1, 2, 3, 4}}, timedelta(days=3)),
        ({"day": 1, "hour": 0, "minute": 0}, timedelta(days=31)),
    ],
    ids=["hourly", "on weekdays", "monthly"],
)
def test_the_longest_gap_counts(times: dict[str, Any], gap: timedelta) -> None:
    job = cron(tick, **times)
    job.calculate_next(NOON)
    due_at = job.next_run
    assert due_at is not None
    assert longest_gap(job, due_at) == gap
    assert job.next_run == due_at, "looking ahead moves nothing"
