"""`monarq cancel`: jobs that wait end at once, jobs that run are stopped, and each answer says which."""

import json
from typing import Any

from .stage import Stage, eventually


def record_of(client: Any, job_id: str) -> Any:
    return json.loads(client.get(f"arq:result:{job_id}"))["r"]


def test_a_waiting_job_is_cancelled_with_actor_and_reason(stage: Stage, client: Any) -> None:
    stage.monarq("enqueue", "add", "--args", "[1]", "--job-id", "a")
    ended = stage.monarq("cancel", "a", "--reason", "wrong file")
    assert (ended.returncode, ended.stdout) == (0, "a: cancelled\n")
    told = record_of(client, "a")
    assert told["reason"] == "wrong file"
    assert "@" in told["by"]


def test_a_job_is_found_in_whatever_queue_it_is(stage: Stage, client: Any) -> None:
    stage.monarq("enqueue", "mail", "--job-id", "m")
    ended = stage.monarq("cancel", "m", "--by", "ann", "--json")
    assert ended.returncode == 0
    assert json.loads(ended.stdout) == {"by": "ann", "reason": "", "jobs": {"m": "cancelled"}}
    assert client.zcard("arq:queue:mail") == 0


def test_a_running_job_is_stopped_and_the_end_is_told(stage: Stage, client: Any) -> None:
    stage.start("worker").says("worker.started")
    stage.monarq("enqueue", "nap", "--args", "[60]", "--job-id", "n")
    eventually((stage.folder / "napping").exists)
    ended = stage.monarq("cancel", "n", "--reason", "enough", "--wait", "20")
    assert (ended.returncode, ended.stdout) == (0, "n: cancelled\n")
    assert record_of(client, "n")["message"].endswith(": enough")


def test_each_job_gets_its_own_answer_and_one_that_is_too_late_ends_with_1(stage: Stage) -> None:
    stage.monarq("enqueue", "add", "--args", "[1]", "--job-id", "done")
    stage.monarq("worker", "--burst")
    stage.monarq("enqueue", "add", "--args", "[1]", "--job-id", "waits")
    ended = stage.monarq("cancel", "waits", "done", "nobody", "waits")
    assert ended.returncode == 1
    assert ended.stdout == "waits: cancelled\n"
    assert "done: too late" in ended.stderr
    assert "nobody: no such job" in ended.stderr


def test_a_wait_that_is_too_short_ends_with_1_and_the_request_stands(stage: Stage, client: Any) -> None:
    client.set("arq:job:x", '{"t":null,"f":"add","a":[1],"k":{},"et":1}')
    client.zadd("arq:queue", {"x": 1})
    client.set("arq:in-progress:x", "1", px=60_000)  # as a worker of arq's own would
    ended = stage.monarq("cancel", "x", "--wait", "0.1")
    assert ended.returncode == 1
    assert "asked to stop" in ended.stderr
    assert client.zscore("arq:abort", "x") is not None
