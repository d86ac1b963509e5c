"""Where a child finds handlers and functions, and which it cannot find."""

import functools
from datetime import timedelta
from typing import Any

import arq
import pytest
from arq.cron import cron

from monarq.jobs import JobContext, job
from monarq.jobs.handler import RunIn
from monarq.worker.children.sources import NotImportable, function_of, load, name_of, source_of
from monarq.worker.runnable import ArqDefaults, from_arq, from_handler

DEFAULTS = ArqDefaults(timeout=5, keep_result=60, keep_result_forever=False, max_tries=3, retry_errors=True)


@job("sources.here", run_in="process")
def here(ctx: JobContext) -> None: ...


async def function(ctx: dict[str, Any], number: int) -> int:
    return number


wrapped = arq.func(function, name="sources.other", max_tries=7, timeout=9)


class Hooks:
    @staticmethod
    async def static(ctx: dict[str, Any]) -> None: ...

    async def bound(self, ctx: dict[str, Any]) -> None: ...


def test_a_typed_kind_is_found_again() -> None:
    loaded = load(source_of(from_handler(here)))
    assert loaded.origin is here
    assert loaded.run_in is RunIn.PROCESS


def test_a_function_of_arq_s_is_found_again_with_what_the_worker_says_of_it() -> None:
    before = from_arq(wrapped, DEFAULTS)
    loaded = load(source_of(before))
    assert loaded.kind == "sources.other"
    assert loaded.policy.max_attempts == 7
    assert (loaded.policy.timeout, loaded.policy.keep_result) == (timedelta(seconds=9), timedelta(seconds=60))
    assert loaded.policy.retries(ValueError())
    assert loaded.keep_ms == before.keep_ms


def test_results_that_are_kept_for_ever_or_not_at_all_stay_so() -> None:
    for keep, forever, expected in ((0, False, timedelta(0)), (5, True, None)):
        defaults = ArqDefaults(
            timeout=None, keep_result=keep, keep_result_forever=forever, max_tries=1, retry_errors=False
        )
        policy = load(source_of(from_arq(arq.func(function), defaults))).policy
        assert (policy.keep_result, policy.timeout) == (expected, None)
        assert not policy.retries(ValueError())


def test_a_cron_job_is_found_again() -> None:
    assert load(source_of(from_arq(cron(function), DEFAULTS))).kind == "cron:function"


def test_a_kind_that_stands_in_main_or_in_a_function_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    @job("sources.local")
    async def local(ctx: JobContext) -> None: ...

    with pytest.raises(NotImportable, match=r"sources\.local"):
        source_of(from_handler(local))
    monkeypatch.setattr(here.function, "__module__", "__main__")
    with pytest.raises(NotImportable, match=r"sources\.here"):
        source_of(from_handler(here))


def test_functions_are_named_by_module_and_name() -> None:
    assert function_of(name_of(function)) is function
    assert function_of(name_of(Hooks.static)) is Hooks.static
    assert function_of(None) is None


@pytest.mark.parametrize(
    "hook",
    [
        Hooks().bound,
        lambda ctx: None,
        functools.partial(function),
        functools.wraps(function)(lambda ctx: None),
    ],
    ids=["a method", "a lambda", "a partial", "a wrapper"],
)
def test_what_its_name_does_not_lead_to_is_refused(hook: Any) -> None:
    with pytest.raises(NotImportable):
        name_of(hook)
