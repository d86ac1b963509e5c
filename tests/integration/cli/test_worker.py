"""`monarq worker`: how it starts, and how it ends."""

import os
import signal
from typing import Any

import pytest

from tests.meta.repository import ROOT

from .stage import Stage, eventually

STOP_SIGNALS = [signal.SIGTERM, signal.SIGINT]


def test_burst_runs_what_waits_and_ends_with_0(stage: Stage, client: Any) -> None:
    stage.monarq("enqueue", "add", "--args", "[1]", "--job-id", "a")
    assert stage.monarq("worker", "--burst").returncode == 0
    assert client.exists("arq:result:a")


def test_the_procfiles_command_starts_a_worker(stage: Stage) -> None:
    lines = (ROOT / "Procfile").read_text().splitlines()
    commands = dict(line.split(": ", 1) for line in lines if not line.startswith("#"))
    program, *arguments = commands["worker"].split()
    assert program == "monarq"
    stage.start(*arguments).says("worker.started")


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_an_idle_worker_ends_with_0_when_told_to_stop(stage: Stage, number: signal.Signals) -> None:
    assert stage.start("worker").says("worker.started").send(number).ends() == 0


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_what_runs_is_finished_before_the_end(stage: Stage, client: Any, number: signal.Signals) -> None:
    worker = stage.start("worker").says("worker.started")
    stage.monarq("enqueue", "nap", "--args", "[1]", "--job-id", "a")
    eventually((stage.folder / "napping").exists)
    assert worker.send(number).ends() == 0
    assert '"slept"' in client.get("arq:result:a")


def test_what_outlasts_the_drain_time_is_handed_back_with_75(stage: Stage, client: Any) -> None:
    worker = stage.start("worker", MONARQ_DRAIN_TIMEOUT="0.3").says("worker.started")
    stage.monarq("enqueue", "nap", "--args", "[60]", "--job-id", "a")
    eventually((stage.folder / "napping").exists)
    assert worker.send(signal.SIGTERM).ends() == 75
    assert client.zcard("monarq:running:default") == 0
    assert client.zscore("arq:queue", "a") is not None


def test_a_second_signal_hands_back_at_once(stage: Stage, client: Any) -> None:
    worker = stage.start("worker", MONARQ_DRAIN_TIMEOUT="60").says("worker.started")
    stage.monarq("enqueue", "nap", "--args", "[60]", "--job-id", "a")
    eventually((stage.folder / "napping").exists)
    worker.send(signal.SIGTERM).says("worker.stopping").send(signal.SIGTERM)
    assert worker.ends() == 75


def test_a_worker_whose_log_nobody_reads_can_still_be_stopped(stage: Stage, client: Any) -> None:
    ours, theirs = os.pipe()
    worker = stage.start("worker", stderr=theirs)
    os.close(theirs)
    said = b""
    while b"worker.started" not in said:
        said += os.read(ours, 65536)
    os.close(ours)
    stage.monarq("enqueue", "boom", "--job-id", "a")  # it writes a line about that
    eventually(lambda: client.exists("monarq:dead-letter:a"))
    assert worker.send(signal.SIGTERM).ends() == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--queues", "a=1,b"], 2),
        (["--concurrency", "0"], 2),
        (["--jobs", "no_such_module"], 78),
        (["app.Nope"], 78),
        (["Nope"], 78),
    ],
)
def test_a_bad_start_has_its_exit_code(stage: Stage, arguments: list[str], code: int) -> None:
    ended = stage.monarq("worker", *arguments)
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr


def test_a_worker_without_jobs_says_how_to_name_them(stage: Stage) -> None:
    ended = stage.monarq("worker", MONARQ_JOBS="")
    assert ended.returncode == 78
    assert "MONARQ_JOBS" in ended.stderr


def test_no_redis_after_the_retries_at_start_is_69(stage: Stage) -> None:
    (stage.folder / "settings.py").write_text(
        "from app import add\n"
        "from arq.connections import RedisSettings\n"
        "class WorkerSettings:\n"
        "    functions = [add]\n"
        "    redis_settings = RedisSettings(port=1, conn_retries=1, conn_retry_delay=0)\n"
    )
    ended = stage.monarq("worker", "settings.WorkerSettings")
    assert ended.returncode == 69
    assert "cannot connect to Redis" in ended.stderr


def test_a_module_that_breaks_at_import_ends_with_78_and_its_place(stage: Stage) -> None:
    (stage.folder / "broken.py").write_text("x = 1\nraise RuntimeError('half done')\n")
    ended = stage.monarq("worker", "--jobs", "broken")
    assert ended.returncode == 78
    assert "RuntimeError: half done" in ended.stderr
    assert "broken.py, line 2" in ended.stderr


def test_a_start_up_hook_that_raises_is_shown_in_full_with_70(stage: Stage) -> None:
    (stage.folder / "settings.py").write_text(
        "from app import add\n"
        "async def on_startup(ctx):\n"
        "    raise RuntimeError('no database')\n"
        "class WorkerSettings:\n"
        "    functions = [add]\n"
    )
    with (stage.folder / "settings.py").open("a") as settings:
        settings.write("    on_startup = on_startup\n")
    ended = stage.monarq("worker", "settings.WorkerSettings")
    assert ended.returncode == 70
    assert "RuntimeError: no database" in ended.stderr


def test_a_settings_class_is_served(stage: Stage, client: Any) -> None:
    stage.monarq("enqueue", "add", "--args", "[1]", "--job-id", "a")
    assert stage.monarq("worker", "app.WorkerSettings", "--burst", MONARQ_JOBS="").returncode == 0
    assert client.exists("arq:result:a")


def test_queues_of_the_line_are_served_and_no_other(stage: Stage, client: Any) -> None:
    stage.monarq("enqueue", "mail", "--job-id", "a")
    stage.monarq("enqueue", "add", "--args", "[1]", "--job-id", "b")
    assert stage.monarq("worker", "--burst", "--queues", "mail=2").returncode == 0
    assert client.exists("arq:result:a", "arq:result:b") == 1


def test_a_queue_that_handlers_name_and_nobody_serves_is_warned_of(stage: Stage) -> None:
    worker = stage.start("worker").says("worker.queue_not_served")
    assert '"mail"' in worker.output


def test_the_worker_enters_its_queues_into_the_list(stage: Stage, client: Any) -> None:
    stage.start("worker", "--queues", "reports").says("worker.started")
    eventually(lambda: client.sismember("monarq:queues", "reports"))


def test_a_changed_file_restarts_a_watching_worker(stage: Stage) -> None:
    worker = stage.start("worker", "--watch").says("worker.started")
    source = (stage.folder / "app.py").read_text()

    def touch() -> bool:
        # again and again: the watcher may not look yet
        (stage.folder / "app.py").write_text(source + "\n\n# changed\n")
        return "code has changed" in worker.output

    eventually(touch)
    worker.says("worker.started", times=2)
    assert worker.send(signal.SIGINT).ends() == 0


def test_a_watching_worker_survives_a_broken_file(stage: Stage) -> None:
    source = (stage.folder / "app.py").read_text()
    (stage.folder / "app.py").write_text("no python at all")
    worker = stage.start("worker", "--watch").says("it starts again when a file changes")

    (stage.folder / "app.py").write_text(source)
    worker.says("worker.started")
    assert worker.send(signal.SIGTERM).ends() == 0


def test_a_watching_worker_finishes_what_runs(stage: Stage, client: Any) -> None:
    worker = stage.start("worker", "--watch").says("worker.started")
    stage.monarq("enqueue", "nap", "--args", "[1]", "--job-id", "a")
    eventually((stage.folder / "napping").exists)
    assert worker.send(signal.SIGTERM).ends() == 0
    assert '"slept"' in client.get("arq:result:a")
