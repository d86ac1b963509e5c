"""What the page of a job is made of: its steps, its JSON, and commands that can be copied."""

import json
import shlex
from datetime import UTC, datetime, timedelta

import pytest

from monarq.dashboard.pages.json_view import shown_json
from monarq.dashboard.pages.snippets import as_command, as_curl, as_python
from monarq.dashboard.pages.timeline import timeline
from monarq.dashboard.services.job_view import AttemptView, ErrorView, JobView, ReplayView
from monarq.jobs.redaction import HIDDEN, with_secrets_of, without_secrets
from monarq.jobs.state import State

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def an_attempt(number: int, began: float, took: float, cause: str = "error") -> AttemptView:
    error = ErrorView(type="ValueError", message="boom", traceback=None, cause=cause)
    return AttemptView(number=number, worker="w1", began_at=at(began), ended_at=at(began + took), error=error)


def a_job(state: State, **known: object) -> JobView:
    return JobView(job_id="a", state=state, queue="mail", kind="k", enqueued_at=at(0), **known)  # type: ignore[arg-type]


def test_each_step_says_how_long_it_took_and_how_long_the_job_waited_before_it() -> None:
    attempts = [an_attempt(1, 3, 2), an_attempt(2, 35, 1, "timeout")]
    job = a_job(State.RETRYING, attempts=attempts, due_at=at(96))
    told = [(step.title, step.took, step.waited) for step in timeline(job)]
    assert told == [
        ("Enqueued", None, None),
        ("Attempt 1 failed", timedelta(seconds=2), timedelta(seconds=3)),
        ("Attempt 2 timed out", timedelta(seconds=1), timedelta(seconds=30)),
        ("Next try", None, timedelta(seconds=60)),
    ]


def test_a_replay_stands_between_the_attempts_that_it_parts() -> None:
    replay = ReplayView(at=at(50), by="ann", told="replayed by ann")
    job = a_job(State.SUCCEEDED, attempts=[an_attempt(1, 1, 1)], replays=[replay], starts=2, ended_at=at(60))
    assert [step.title for step in timeline(job)] == [
        "Enqueued",
        "Attempt 1 failed",
        "Replayed",
        "Attempt 2 succeeded",
    ]


@pytest.mark.parametrize(
    ("state", "title"),
    [
        (State.SCHEDULED, "Starts"),
        (State.READY, "Ready"),
        (State.RUNNING, "Attempt 1 runs"),
        (State.DEAD, "Became a dead letter"),
        (State.CANCELLED, "Cancelled"),
        (State.EXPIRED, "Expired: its deadline had passed"),
    ],
)
def test_the_last_step_is_where_the_job_stands(state: State, title: str) -> None:
    assert timeline(a_job(state, starts=1))[-1].title == title


def test_attempts_of_which_no_time_is_known_keep_their_order() -> None:
    attempts = [an_attempt(1, 9, 1), AttemptView(number=2, worker=None, began_at=None, ended_at=None,
                                                error=ErrorView(type="crash", message=None, traceback=None,
                                                                cause="crash"))]  # fmt: skip
    titles = [step.title for step in timeline(a_job(State.READY, attempts=attempts))]
    assert titles == ["Enqueued", "Attempt 1 failed", "Attempt 2 lost its worker", "Ready"]


def test_json_that_is_too_large_for_a_tree_is_shown_in_part() -> None:
    assert shown_json({"a": [1, 2**80]}).is_tree
    many = shown_json(list(range(5_000)))
    assert (many.is_tree, many.cut) == (
        False,
        len(json.dumps(list(range(5_000)), separators=(",", ":"))) - 20_000,
    )
    assert not shown_json("x" * 30_000).is_tree


def test_a_command_means_the_same_in_a_shell_in_curl_and_in_python() -> None:
    args, options = {"to": "it's $HOME", "n": 2**70}, {"queue": "mail", "tags": ["a", "b"]}
    words = shlex.split(as_command("mail.send", args, options))
    assert words[:4] == ["monarq", "enqueue", "mail.send", "--args"]
    assert json.loads(words[4]) == args
    assert words[5:] == ["--queue", "mail", "--tag", "a", "--tag", "b"]
    curl = shlex.split(as_curl("http://x/v1/jobs", "mail.send", args, options).replace("\\\n", ""))
    assert json.loads(curl[-1]) == {"kind": "mail.send", "args": args, **options}
    python = as_python(("app.jobs", "send"), "mail.send", args, options)
    compile(f"async def f():\n    {python.replace(chr(10), chr(10) + '    ')}", "x", "exec")
    assert "send.of(to=\"it's $HOME\", n=1180591620717411303424), queue='mail', tags=['a', 'b'])" in python


def test_what_is_hidden_by_its_name_comes_back_as_it_was() -> None:
    job = {"user": 1, "token": "t", "deep": [{"password": ["a", "b"]}, 2]}
    shown = without_secrets(job)
    assert shown == {"user": 1, "token": HIDDEN, "deep": [{"password": HIDDEN}, 2]}
    assert with_secrets_of(job, shown) == job
    assert with_secrets_of(job, {"user": 2, "token": "new", "deep": [1, 2, 3]}) == {
        "user": 2,
        "token": "new",
        "deep": [1, 2, 3],
    }
