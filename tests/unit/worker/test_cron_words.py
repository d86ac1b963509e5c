"""When a cron job is due, in words."""

from typing import Any

import pytest
from arq.cron import cron

from monarq.worker.maintenance.cron_words import words

EACH = set(range(60))


async def tick(ctx: dict[Any, Any]) -> None: ...


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"hour": 3, "minute": 0}, "03:00"),
        ({"hour": 3, "minute": 5, "second": 9}, "03:05:09"),
        ({"hour": {21, 9}, "minute": [30, 0]}, "hour 9, 21; minute 0, 30"),
        ({"hour": 3, "minute": {0, 30}, "second": 5}, "hour 3; minute 0, 30; second 5"),
        ({"minute": 5}, "every hour; minute 5"),
        ({"hour": 3}, "hour 3; every minute"),  # so arq reads it
        ({}, "every minute"),
        ({"second": {0, 30}}, "every minute; second 0, 30"),
        ({"second": None}, "every second"),
        ({"second": EACH, "minute": EACH}, "every second"),
        ({"hour": 3, "second": None}, "hour 3; every second"),
        ({"minute": 5, "second": None}, "every hour; minute 5; every second"),
        ({"weekday": "thurs", "hour": 0, "minute": 0}, "Thursday; 00:00"),
        ({"weekday": {4, 0}, "hour": 0, "minute": 0}, "Monday, Friday; 00:00"),
        ({"month": 2, "day": {29, 1}, "hour": 12, "minute": 0}, "February; day 1, 29; 12:00"),
        ({"hour": 3, "minute": 0, "run_at_startup": True}, "03:00; when a worker starts"),
    ],
)
def test_what_is_true_of_the_time_is_told(options: dict[str, Any], told: str) -> None:
    assert words(cron(tick, **options)) == told
