"""What `monarq top` shows on so many lines."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from monarq.dashboard.cli.top_rows import queue_rows, run_rows, summary
from monarq.dashboard.cli.top_screen import screen
from monarq.dashboard.services.fleet import FleetView
from monarq.dashboard.services.workers import WorkerView
from monarq.dashboard.verdicts import Level, Verdict
from monarq.jobs.store.memory import Memory
from monarq.jobs.store.workers import LiveWorker, RunningJob

from .present import FRESH, a_pause, a_rate, a_view, a_worker


def a_fleet(*workers: LiveWorker, queues: Any = (), verdicts: Any = ()) -> FleetView:
    views = [WorkerView(worker=worker, is_skewed=False, freshness=FRESH) for worker in workers]
    memory = Memory(used_bytes=12_000_000, most_bytes=100_000_000, evicts=False)
    return FleetView(
        queues=queues, workers=views, verdicts=verdicts, memory=memory, outbox=3, freshness=FRESH
    )


def shown(view: FleetView, height: int = 24, width: int = 120) -> list[str]:
    """The lines, as a terminal of this size shows them."""
    out = io.StringIO()
    Console(file=out, width=width, height=height, force_terminal=False).print(screen(view, height, width))
    return out.getvalue().removesuffix("\n").split("\n")


def a_run(number: int, kind: str = "a") -> RunningJob:
    """It has run for so many milliseconds."""
    return RunningJob(job_id=f"job-{number}", queue="mail", kind=kind, attempt=1, age_ms=number)


def test_what_wants_to_be_looked_at_comes_first() -> None:
    idle, busy = a_view(queue="a-idle"), a_view(a_worker(), queue="busy", running=3)
    paused, unserved = a_view(queue="paused", pauses=(a_pause(),)), a_view(queue="z-unserved", ready=1)
    found = queue_rows(a_fleet(queues=(idle, busy, paused, unserved)))
    assert [row["queue"] for row in found] == ["z-unserved", "paused", "busy", "a-idle"]


def test_a_queue_tells_its_pace_and_when_it_is_drained() -> None:
    [row] = queue_rows(a_fleet(queues=[a_view(ready=300, rate=a_rate(enqueued=120.4, completed=2.5))]))
    assert (row["in/s"], row["out/s"], row["drain"]) == ("120", "2.5", "2 min")


def test_jobs_that_have_run_for_longest_come_first() -> None:
    workers = [a_worker("w1", runs=(a_run(1_000), a_run(5_000))), a_worker("w2", runs=(a_run(3_000),))]
    assert [row["job"] for row in run_rows(a_fleet(*workers))] == ["job-5000", "job-3000", "job-1000"]


def test_the_first_line_adds_it_all_up() -> None:
    told = summary(a_fleet(a_worker(busy=4), queues=[a_view(ready=1_200, running=4)]))
    assert "1,200 ready" in told
    assert "1 worker, 4 of 10 slots busy" in told
    assert "Redis 12.0 MB of 100.0 MB" in told


def test_what_is_wrong_is_said_with_what_to_do() -> None:
    verdict = Verdict(
        alert="QueueNoWorkers", level=Level.PAGE, sentence="142 ready", command="monarq worker --queues mail"
    )
    lines = shown(a_fleet(verdicts=[verdict]))
    assert lines[1].split() == ["page", "142", "ready:", "monarq", "worker", "--queues", "mail"]
    assert "healthy" in shown(a_fleet())[1]


@pytest.mark.parametrize("height", [18, 24, 60])
def test_it_never_shows_more_lines_than_there_are(height: int) -> None:
    """What does not fit would scroll away its head."""
    many = [a_worker(f"w{number}", runs=(a_run(number),)) for number in range(40)]
    queues = [a_view(queue=f"q{number}", ready=number) for number in range(40)]
    verdicts = [Verdict(alert="A", level=Level.TICKET, sentence="x" * 300) for _ in range(9)]
    lines = shown(a_fleet(*many, queues=queues, verdicts=verdicts), height)
    assert len(lines) <= height
    assert any(line.startswith("and 4 more finding") for line in lines)


def test_what_is_few_leaves_its_lines_to_others() -> None:
    lines = shown(a_fleet(*(a_worker(f"w{number}") for number in range(9)), queues=[a_view()]), 24)
    assert sum(line.startswith("w") for line in lines) >= 9


def test_where_there_is_little_room_names_give_way_and_numbers_do_not() -> None:
    queue = a_view(a_worker(), queue="a-queue-with-a-long-name", ready=1_234_567, rate=a_rate(completed=12.5))
    worker = a_worker("worker-with-a-long-name", rss_bytes=123_400_000, loop_lag_ms=1_250)
    told = "\n".join(shown(a_fleet(worker, queues=[queue]), width=80))
    for number in ("1,234,567", "12.5", "123.4 MB", "1250 ms"):
        assert number in told
    assert max(map(len, told.splitlines())) <= 80


def test_nobody_is_called_healthy_who_does_not_answer() -> None:
    stale = replace(a_fleet(), freshness=replace(FRESH, redis="store_unavailable", age_seconds=12.5))
    told = shown(stale)
    assert told[1] == "Redis does not answer (store_unavailable): these numbers are 12 s old"
    assert "healthy" not in told


def test_names_do_nothing_to_the_terminal() -> None:
    evil = "\x1b]0;x\x07[red]"
    worker = a_worker(evil, runs=(a_run(1, kind=evil),))
    told = "\n".join(shown(a_fleet(worker, queues=[a_view(queue=evil, ready=1)])))
    assert "\x1b" not in told
    assert "[red]" in told
