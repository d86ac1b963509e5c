"""`monarq dev`: servers of one's own and workers, started, supervised and stopped together."""

import os
import re
import signal
from pathlib import Path

import asyncpg
import pytest
import redis

from tests.postgres import run_sql

from .stage import Running, Stage, eventually


def _url(dev: Running) -> str:
    found = re.search(r"(unix|redis)://\S+", dev.output)
    assert found is not None
    return found.group()


def _database_url(dev: Running) -> str:
    found = re.search(r"postgresql://\S+", dev.output)
    assert found is not None
    return found.group()


def _child(dev: Running, program: str) -> int:
    """The process of this program."""
    [pid] = [pid for pid in dev.children() if program.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return pid


def _is_alive(pid: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_job_runs_by_what_dev_prints(bare_stage: Stage) -> None:
    dev = bare_stage.start("dev", "--no-dashboard").says("worker.started")
    ended = bare_stage.monarq("enqueue", "add", "--args", "[1]", "--wait", MONARQ_REDIS_URL=_url(dev))
    assert (ended.returncode, ended.stdout.splitlines()[-1]) == (0, "2")
    assert "worker.1  |" in dev.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_everything_ends_in_order_and_jobs_are_finished(bare_stage: Stage, number: signal.Signals) -> None:
    dev = bare_stage.start("dev", "--no-dashboard", "--workers", "2").says("worker.started", times=2)
    started = dev.children()
    assert len(started) == 4
    bare_stage.monarq("enqueue", "nap", "--args", "[1]", "--job-id", "a", MONARQ_REDIS_URL=_url(dev))
    eventually((bare_stage.folder / "napping").exists)
    assert dev.send(number).ends() == 0
    assert not any(map(_is_alive, started))
    assert "store_unavailable" not in dev.output
    assert not (bare_stage.folder / ".monarq" / "valkey.sock").exists()
    assert not (bare_stage.folder / ".monarq" / "postgres" / ".s.PGSQL.5432").exists()


def test_the_next_start_goes_on_with_the_data(bare_stage: Stage) -> None:
    dev = bare_stage.start("dev", "--no-dashboard", "--workers", "0").says("Ctrl-C")
    bare_stage.monarq("enqueue", "add", "--args", "[1]", "--job-id", "a", MONARQ_REDIS_URL=_url(dev))
    assert dev.send(signal.SIGTERM).ends() == 0
    dev = bare_stage.start("dev", "--no-dashboard").says("worker.started")
    with redis.Redis.from_url(_url(dev)) as client:
        eventually(lambda: client.exists("arq:result:a"))


def test_two_at_once_on_one_folder_is_an_error_that_names_the_other(bare_stage: Stage) -> None:
    dev = bare_stage.start("dev", "--no-dashboard", "--workers", "0").says("Ctrl-C")
    ended = bare_stage.monarq("dev")
    assert ended.returncode == 1
    assert f"in use by process {dev.process.pid}" in ended.stderr
    assert bare_stage.start("dev", "--no-dashboard", "--workers", "0", "--dir", "other").says("Ctrl-C")


def test_after_a_kill_the_next_start_takes_over(bare_stage: Stage) -> None:
    dev = bare_stage.start("dev", "--no-dashboard").says("worker.started")
    left = dev.children()
    bare_stage.monarq(
        "enqueue", "add", "--args", "[1]", "--delay", "600", "--job-id", "a", MONARQ_REDIS_URL=_url(dev)
    )
    dev.send(signal.SIGKILL)
    dev.ends()
    again = bare_stage.start("dev", "--no-dashboard").says("worker.started")
    with redis.Redis.from_url(_url(again)) as client:
        assert client.exists("arq:job:a")
    eventually(lambda: not any(map(_is_alive, left)))


def test_a_worker_that_dies_is_started_again(bare_stage: Stage) -> None:
    dev = bare_stage.start("dev", "--no-dashboard").says("worker.started")
    os.kill(_child(dev, "monarq.jobs.cli"), signal.SIGKILL)
    dev.says("worker.1 ended with SIGKILL; it starts again in 0.5 s").says("worker.started", times=2)


def test_a_valkey_that_dies_is_started_again(bare_stage: Stage) -> None:
    dev = bare_stage.start("dev", "--no-dashboard", "--workers", "0").says("Ctrl-C")
    os.kill(_child(dev, "valkey-server"), signal.SIGKILL)
    dev.says("Valkey has ended")
    with redis.Redis.from_url(_url(dev)) as client:
        eventually(lambda: _answers(client))


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_the_drain_time_is_waited_for_and_what_is_left_is_handed_back(bare_stage: Stage) -> None:
    dev = bare_stage.start("dev", "--no-dashboard", MONARQ_DRAIN_TIMEOUT="0.3").says("worker.started")
    bare_stage.monarq("enqueue", "nap", "--args", "[60]", MONARQ_REDIS_URL=_url(dev))
    eventually((bare_stage.folder / "napping").exists)
    assert dev.send(signal.SIGTERM).ends() == 75
    assert "job.interrupted" in dev.output


def test_a_port_that_is_taken_ends_with_78(bare_stage: Stage, redis_url: str) -> None:
    port = redis_url.rpartition(":")[2].partition("/")[0]
    ended = bare_stage.monarq("dev", "--port", port)
    assert ended.returncode == 78
    assert f"port {port} is taken" in ended.stderr


def test_without_modules_the_shipped_kinds_are_served(bare_stage: Stage) -> None:
    dev = bare_stage.start("dev", "--no-dashboard", MONARQ_JOBS="").says("worker.started")
    assert "monarq.jobs.catalog" in dev.output


def test_the_tables_are_there_and_a_command_reaches_them_by_what_dev_prints(bare_stage: Stage) -> None:
    dev = bare_stage.start("dev", "--no-dashboard", "--workers", "0").says("Ctrl-C")
    ended = bare_stage.monarq("migrate", "--check", MONARQ_DATABASE_URL=_database_url(dev))
    assert (ended.returncode, ended.stdout) == (0, "up to date\n")
    assert f"export MONARQ_DATABASE_URL='{_database_url(dev)}'" in dev.output


def test_a_postgresql_that_dies_is_started_again_with_what_was_committed(bare_stage: Stage) -> None:
    dev = bare_stage.start("dev", "--no-dashboard", "--workers", "0").says("Ctrl-C")
    run_sql(_database_url(dev), "CREATE TABLE kept (a int)")
    os.kill(_child(dev, "bin/postgres"), signal.SIGKILL)
    dev.says("PostgreSQL has ended")
    eventually(lambda: _serves(_database_url(dev)))
    assert run_sql(_database_url(dev), "SELECT * FROM kept") == []


def _serves(url: str) -> bool:
    try:
        return bool(run_sql(url, "SELECT 1"))
    except (OSError, asyncpg.PostgresError):
        return False


def test_after_a_kill_the_next_start_takes_the_database_over(bare_stage: Stage) -> None:
    dev = bare_stage.start("dev", "--no-dashboard", "--workers", "0").says("Ctrl-C")
    left = dev.children()
    run_sql(_database_url(dev), "CREATE TABLE kept (a int)")
    dev.send(signal.SIGKILL).ends()
    again = bare_stage.start("dev", "--no-dashboard", "--workers", "0").says("Ctrl-C")
    assert run_sql(_database_url(again), "SELECT * FROM kept") == []
    eventually(lambda: not any(map(_is_alive, left)))


def test_without_postgresql_no_worker_touches_the_database_of_another_redis(bare_stage: Stage) -> None:
    nowhere = "postgresql://127.0.0.1:1/nothing"
    dev = bare_stage.start("dev", "--no-dashboard", "--no-postgres", MONARQ_DATABASE_URL=nowhere).says(
        "worker.started"
    )
    worker = Path(f"/proc/{_child(dev, 'monarq.jobs.cli')}/environ").read_bytes()
    assert b"MONARQ_DATABASE_URL" not in worker
    assert len(dev.children()) == 2
    assert "PostgreSQL" not in dev.output


def test_a_postgresql_that_does_not_start_leaves_no_valkey_behind(bare_stage: Stage) -> None:
    dev = bare_stage.start("dev", "--no-dashboard", "--workers", "0").says("Ctrl-C")
    assert dev.send(signal.SIGTERM).ends() == 0
    (bare_stage.folder / ".monarq" / "postgres" / "data" / "PG_VERSION").write_text("9\n")
    ended = bare_stage.monarq("dev", "--workers", "0")
    assert ended.returncode == 1
    assert "initialized by PostgreSQL version 9" in ended.stderr
    assert "--no-postgres goes without it" in ended.stderr
    assert bare_stage.start("dev", "--no-dashboard", "--workers", "0", "--no-postgres").says("Ctrl-C")
