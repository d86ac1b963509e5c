"""`monarq move`: jobs that wait start at another time or with another priority; what runs is left alone."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from .stage import Stage, eventually


def test_a_job_is_put_off_brought_forward_and_given_another_priority(stage: Stage, client: Any) -> None:
    stage.monarq("enqueue", "mail", "--job-id", "m")
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    ended = stage.monarq("move", "m", "--at", at.isoformat(), "--priority", "high")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("m: scheduled until ")
    assert ended.stdout.endswith(", high priority\n")
    assert client.zscore("monarq:queue:mail:high", "m") == round(at.timestamp() * 1000)
    assert stage.monarq("move", "m", "--now").stdout.startswith("m: ready since ")
    told = json.loads(stage.monarq("move", "m", "--now", "--json").stdout)
    assert (told["m"]["became"], told["m"]["priority"]) == ("unchanged", "high")


def test_what_runs_or_has_ended_is_left_alone_and_ends_with_1(stage: Stage) -> None:
    stage.start("worker").says("worker.started")
    stage.monarq("enqueue", "nap", "--args", "[60]", "--job-id", "n")
    eventually((stage.folder / "napping").exists)
    stage.monarq("enqueue", "add", "--args", "[1]", "--delay", "3600", "--job-id", "waits")
    ended = stage.monarq("move", "n", "nobody", "waits", "--delay", "60")
    assert ended.returncode == 1
    assert "n: too late: a worker holds it" in ended.stderr
    assert "nobody: no such job" in ended.stderr
    assert ended.stdout.startswith("waits: scheduled until ")


def test_it_must_be_said_where_to_and_not_twice(stage: Stage) -> None:
    assert stage.monarq("move", "a").returncode == 2
    assert stage.monarq("move", "a", "--now", "--delay", "3").returncode == 2
