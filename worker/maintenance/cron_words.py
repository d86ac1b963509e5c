"""When a cron job of arq's is due, in words."""

from __future__ import annotations

from calendar import day_name, month_name
from collections.abc import Sequence

from arq.cron import CronJob
from arq.typing import WEEKDAYS

#: What arq takes: any, one, or several of them.
_Option = set[int] | Sequence[int] | int | None
#: How many there are of each, from the coarsest on.
_CLOCK = {"hour": 24, "minute": 60, "second": 60}
_FINER = {"hour": "minute", "minute": "second"}


def words(cron_job: CronJob) -> str:
    """Like `Monday; 09:00`, or `hour 9; minute 0, 30`: what all must be true of the time when it is due."""
    weekday = cron_job.weekday
    if isinstance(weekday, str):
        weekday = WEEKDAYS.index(weekday.lower())
    parts = [
        _listed("", [month_name[number] for number in _numbers(cron_job.month)]),
        _listed("day ", _numbers(cron_job.day)),
        _listed("", [day_name[number] for number in _numbers(weekday)]),
        *_clock(cron_job),
        "when a worker starts" if cron_job.run_at_startup else "",
    ]
    return "; ".join(part for part in parts if part)


def _clock(cron_job: CronJob) -> list[str]:
    options = {unit: _numbers(getattr(cron_job, unit)) for unit in _CLOCK}
    given = {unit: numbers for unit, numbers in options.items() if 0 < len(numbers) < _CLOCK[unit]}
    if [len(numbers) for numbers in given.values()] == [1, 1, 1]:
        hour, minute, second = (numbers[0] for numbers in given.values())
        return [f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")]
    told = []
    for unit in _CLOCK:
        if unit in given:
            told.append(_listed(f"{unit} ", given[unit]))
        elif _FINER.get(unit) in given or unit == "second":
            told.append(f"every {unit}")
    # arq's second is 0 where nothing is said
    return told[:-1] if told[-1] == "second 0" else told


def _numbers(option: _Option) -> list[int]:
    if option is None:
        return []
    return [option] if isinstance(option, int) else sorted(option)


def _listed(what: str, values: Sequence[object]) -> str:
    return what + ", ".join(map(str, values)) if values else ""
