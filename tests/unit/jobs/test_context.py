"""What a handler knows about its own job."""

from contextlib import nullcontext
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from monarq.jobs import JobContext
from monarq.jobs.errors import DefinitionError


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


def test_its_idempotency_key_is_the_same_in_all_attempts() -> None:
    first, second = JobContext(), JobContext()
    for attempt, ctx in enumerate((first, second), start=1):
        ctx.job_id, ctx.attempt, ctx.fence = "job-1", attempt, attempt
    assert first.idempotency_key == second.idempotency_key == "job-1"


def test_a_transaction_is_for_durable_jobs() -> None:
    ctx = JobContext()
    ctx.kind = "order.bill"
    for use in (ctx.once, lambda: ctx.complete(1)):
        with pytest.raises(DefinitionError, match=r"order\.bill: .* @job\(durable=True\)"):
            use()


def test_a_durable_job_s_transaction_is_what_its_worker_gives() -> None:
    class Given:
        value: Any = None

        def once(self) -> Any:
            return nullcontext("connection")

        def complete(self, value: Any) -> None:
            self.value = value

    ctx, given = JobContext(), Given()
    ctx.effects = given
    with ctx.once() as connection:  # type: ignore[attr-defined]
        ctx.complete(connection)
    assert given.value == "connection"
