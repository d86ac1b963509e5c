"""`monarq doctor`, `monarq health` and `monarq queues`."""

import json
import time
from typing import Any

import pytest

from tests.postgres import PostgresServer
from tests.servers import ValkeyServer

from .conftest import Bury
from .stage import Stage, eventually

NOWHERE = {"MONARQ_REDIS_URL": "redis://127.0.0.1:1/0"}


def _report(**changes: Any) -> str:
    report = {"worker": "w1", "host": "h", "pid": 1, "queues": {"default": 0, "mail": 3}, "kinds": ["a"]}
    return json.dumps({**report, "slots": 10, "busy": 1, "stopping": False, **changes})


def _report_to(client: Any, *, ago: float = -60.0, **changes: Any) -> None:
    """By default a report that stays young, however long the test takes."""
    client.set("monarq:worker:w1", _report(**changes))
    client.zadd("monarq:workers", {"w1": (time.time() - ago) * 1000})


@pytest.mark.parametrize(
    "command",
    [
        ["doctor"],
        ["health"],
        ["queues"],
        ["dead", "list"],
        ["dead", "replay", "--all"],
        ["pause", "-q", "a", "--why", "b"],
        ["resume", "-q", "a"],
        ["why", "a"],
    ],
)
def test_without_redis_a_command_ends_with_69_and_one_clear_message(stage: Stage, command: list[str]) -> None:
    ended = stage.monarq(*command, **NOWHERE)
    assert ended.returncode == 69
    assert ended.stdout == ""
    assert ended.stderr.startswith("monarq: cannot connect to Redis at 127.0.0.1:1/0")
    assert "Traceback" not in ended.stderr


def test_bad_settings_end_with_78_and_are_all_named(stage: Stage) -> None:
    ended = stage.monarq("doctor", MONARQ_LEASE="soon", MONARQ_CONCURENCY="3")
    assert ended.returncode == 78
    assert "MONARQ_LEASE" in ended.stderr
    assert "did you mean MONARQ_CONCURRENCY?" in ended.stderr


def test_doctor_lists_every_check_and_warnings_are_no_failure(stage: Stage) -> None:
    ended = stage.monarq("doctor", "--json")
    told = json.loads(ended.stdout)
    assert (ended.returncode, told["fit"]) == (0, True)
    levels = {check["check"]: check["level"] for check in told["checks"]}
    assert {"version", "eviction", "memory", "persistence", "role", "clock"} <= set(levels)
    assert levels["persistence"] == "warning"


def test_doctor_refuses_a_redis_that_evicts_and_says_how_to_mend_it(bare_stage: Stage) -> None:
    with ValkeyServer(options={"maxmemory-policy": "allkeys-lru"}) as server:
        ended = bare_stage.monarq("doctor", MONARQ_REDIS_URL=server.url)
        assert ended.returncode == 1
        assert "CONFIG SET maxmemory-policy noeviction" in ended.stdout
        assert bare_stage.monarq("worker", "--burst", MONARQ_REDIS_URL=server.url).returncode == 78


def test_doctor_looks_at_postgresql_if_one_is_named(stage: Stage, database_url: str) -> None:
    ended = stage.monarq("doctor", "--json", MONARQ_DATABASE_URL=database_url)
    told = json.loads(ended.stdout)
    assert (ended.returncode, told["fit"]) == (0, True)
    levels = {check["check"]: check["level"] for check in told["checks"]}
    assert levels["eviction"] == levels["database tables"] == "ok"


def test_doctor_refuses_a_database_without_our_tables(stage: Stage, postgres: PostgresServer) -> None:
    url = postgres.new_database(migrated=False)
    ended = stage.monarq("doctor", MONARQ_DATABASE_URL=url)
    assert ended.returncode == 1
    assert "monarq migrate" in ended.stdout
    assert stage.monarq("migrate", MONARQ_DATABASE_URL=url).returncode == 0
    assert stage.monarq("doctor", MONARQ_DATABASE_URL=url).returncode == 0


def test_doctor_tells_of_redis_although_postgresql_does_not_answer(stage: Stage) -> None:
    ended = stage.monarq("doctor", "--json", MONARQ_DATABASE_URL="postgresql://127.0.0.1:1/nothing")
    told = json.loads(ended.stdout)
    assert (ended.returncode, told["fit"]) == (69, False)
    assert told["checks"][0]["check"] == "version"
    assert (told["checks"][-1]["check"], told["checks"][-1]["level"]) == ("database", "refused")


def test_health_without_a_worker_ends_with_1(stage: Stage) -> None:
    ended = stage.monarq("health")
    assert ended.returncode == 1
    assert "no live worker" in ended.stderr
    assert json.loads(stage.monarq("health", "--json").stdout)["healthy"] is False


def test_health_holds_for_exactly_the_queues_that_are_served(stage: Stage, client: Any) -> None:
    _report_to(client)
    client.set("monarq:worker:corrupt", "{")
    client.zadd("monarq:workers", {"corrupt": time.time() * 1000})
    assert stage.monarq("health").returncode == 0
    assert stage.monarq("health", "-q", "mail", "-q", "default").returncode == 0
    ended = stage.monarq("health", "--queue", "mail", "--queue", "other", "--json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["unserved"] == ["other"]


def test_a_worker_that_is_stopping_serves_nothing(stage: Stage, client: Any) -> None:
    _report_to(client, stopping=True)
    assert stage.monarq("health").returncode == 1


def test_a_worker_that_does_not_report_serves_nothing(stage: Stage, client: Any) -> None:
    _report_to(client, ago=20)
    ended = stage.monarq("health")
    assert ended.returncode == 1
    assert "stale" in ended.stdout


def test_health_sees_a_real_worker_come_and_go(stage: Stage) -> None:
    worker = stage.start("worker").says("worker.started")
    eventually(lambda: stage.monarq("health", "--queue", "default").returncode == 0)
    worker.process.terminate()
    assert worker.ends() == 0
    assert stage.monarq("health").returncode == 1


def test_queues_are_counted_by_what_their_jobs_do(stage: Stage, buried: Bury) -> None:
    buried("a", queue="mail")
    stage.monarq("enqueue", "mail")
    stage.monarq("enqueue", "add", "--args", "[1]", "--delay", "100")
    stage.monarq("enqueue", "add", "--args", "[1]", "--priority", "high")
    told = {queue["queue"]: queue for queue in json.loads(stage.monarq("queues", "--json").stdout)}
    numbers = {
        name: [queue[column] for column in ("ready", "running", "waiting", "dead")]
        for name, queue in told.items()
    }
    assert numbers == {"default": [1, 0, 1, 0], "mail": [1, 0, 0, 1]}
    assert told["mail"]["counters"]["dead"] == 1


def test_queues_shows_a_running_job_as_running(stage: Stage) -> None:
    stage.start("worker", MONARQ_DRAIN_TIMEOUT="0").says("worker.started")
    stage.monarq("enqueue", "nap", "--args", "[30]")
    eventually((stage.folder / "napping").exists)
    [queue] = json.loads(stage.monarq("queues", "--json").stdout)
    assert [queue[column] for column in ("ready", "running", "waiting")] == [0, 1, 0]


def test_queues_of_this_process_are_shown_before_their_first_job(stage: Stage) -> None:
    listed = stage.monarq("queues", MONARQ_QUEUES="reports,default").stdout
    assert {line.split("\t")[0] for line in listed.splitlines()} == {"queue", "default", "reports"}
