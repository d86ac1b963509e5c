"""What a handler knows about its own job."""

from typing import Any

import structlog
from structlog.testing import capture_logs

from monarq.jobs import JobContext


def test_a_context_is_arq_s_dict() -> None:
    ctx = JobContext({"pool": 5}, job_id="job-1")
    assert isinstance(ctx, dict)
    assert (ctx["pool"], ctx["job_id"]) == (5, "job-1")


def test_the_job_s_facts_are_attributes_and_leave_the_dict_alone() -> None:
    ctx = JobContext()
    ctx.job_id, ctx.kind, ctx.queue, ctx.attempt, ctx.fence = "job-1", "kind", "mail", 1, 2
    assert (ctx.job_id, ctx.kind, ctx.queue, ctx.attempt, ctx.fence) == ("job-1", "kind", "mail", 1, 2)
    assert ctx == {}


def test_one_context_s_facts_are_not_another_s() -> None:
    shared: dict[Any, Any] = {"pool": 5}
    one, other = JobContext(shared), JobContext(shared)
    one.job_id, other.job_id = "one", "other"
    one["mine"] = 1
    assert (one.job_id, other.job_id) == ("one", "other")
    assert "mine" not in other
    assert "mine" not in shared


def test_its_log_is_a_structlog_logger() -> None:
    structlog.reset_defaults()
    with capture_logs() as lines:
        JobContext().log.info("page.fetched", pages=3)
    assert lines == [{"event": "page.fetched", "log_level": "info", "pages": 3}]
