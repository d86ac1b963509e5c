"""`@job`: what makes a kind of job, and what is refused at import."""

import asyncio
import functools
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from monarq.jobs import job
from monarq.jobs.errors import DefinitionError, InvalidArguments
from monarq.jobs.handler import Handler, Policy, RunIn, matches
from monarq.jobs.priority import Priority
from monarq.jobs.retry import Custom, Exponential, Fixed, Steps, fixed


@job("image.resize", queue="media", priority="high", timeout=30, backoff=[1, 5], keep_result=None)
async def resize(ctx: Any, path: str, width: int = 100, *, crop: bool = False) -> str:
    """Resize one image."""
    return f"{ctx}:{path}:{width}:{crop}"


def test_the_kind_is_the_name_that_is_given() -> None:
    assert resize.kind == "image.resize"


def test_without_a_name_the_kind_is_the_function_s_qualified_name() -> None:
    assert job()(module_level).kind == "module_level"


async def module_level(ctx: Any) -> None: ...


def test_a_local_function_needs_a_name() -> None:
    async def local(ctx: Any) -> None: ...

    with pytest.raises(DefinitionError, match=r"^kind: "):
        job()(local)
    assert job("local")(local).kind == "local"


async def test_a_call_of_the_handler_is_a_call_of_the_plain_function() -> None:
    assert await resize("ctx", "a.png", crop=True) == "ctx:a.png:100:True"


async def test_a_plain_call_checks_nothing() -> None:
    assert await resize("ctx", None, width="wide") == "ctx:None:wide:False"  # type: ignore[arg-type]


def test_a_handler_keeps_the_function_s_name_and_docstring() -> None:
    assert resize.__doc__ == "Resize one image."
    assert resize.__name__ == "resize"
    assert resize.__wrapped__ is resize.function  # type: ignore[attr-defined]


def test_attributes_of_the_function_do_not_replace_the_handler_s_own() -> None:
    async def function(ctx: Any) -> None: ...

    function.kind = "stolen"  # type: ignore[attr-defined]
    assert job("own")(function).kind == "own"


def test_options_become_the_policy() -> None:
    assert resize.policy == Policy(
        queue="media",
        priority=Priority.HIGH,
        timeout=timedelta(seconds=30),
        backoff=Steps((timedelta(seconds=1), timedelta(seconds=5))),
        keep_result=None,
    )


def test_tags_stand_once_each() -> None:
    assert job("plain", tags=["eu", "vip", "eu"])(module_level).policy.tags == ("eu", "vip")


def test_the_defaults_are_these() -> None:
    policy = job("plain")(module_level).policy
    assert (policy.queue, policy.priority, policy.max_attempts) == ("default", Priority.NORMAL, 5)
    assert (policy.timeout, policy.keep_result) == (timedelta(minutes=5), timedelta(hours=1))
    assert isinstance(policy.backoff, Exponential)
    assert policy.retries(ValueError())
    assert policy.retries(asyncio.CancelledError())


def test_a_backoff_is_a_policy_or_a_list_or_a_function() -> None:
    assert isinstance(job("a", backoff=fixed(1))(module_level).policy.backoff, Fixed)
    assert isinstance(job("a", backoff=(1, 2))(module_level).policy.backoff, Steps)
    assert isinstance(job("a", backoff=lambda attempt: attempt)(module_level).policy.backoff, Custom)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("queue", value) for value in ("", "a b", "{a}", "x" * 129, None, 5)),
        *(("priority", value) for value in ("urgent", "", None, 1, [])),
        *(("max_attempts", value) for value in (0, -1, "5", 2.5, None, True)),
        *(("timeout", value) for value in (0, -1, timedelta(0), "5m", float("nan"), float("inf"), [])),
        *(("keep_result", value) for value in (-1, timedelta(-1), "1h", float("nan"))),
        *(("backoff", value) for value in ([], [-1], ["x"], "123", 5, {"a"})),
        *(("retry_on", value) for value in (5, "ValueError", [ValueError], int, (ValueError, int), None)),
        *(("discard_on", value) for value in (5, (5,), str)),
        *(("run_in", value) for value in ("fork", "", 5, True)),
        *(("memory_limit", value) for value in (0, -1, "1G", 2.5, True)),
        *(("tags", value) for value in ("eu", 5, None, [""], ["a b"], [5], ["{a}"], ["x" * 129])),
        ("tags", [f"tag-{number}" for number in range(21)]),
    ],
)
def test_an_unusable_option_is_named_at_import(option: str, value: Any) -> None:
    with pytest.raises(DefinitionError, match=f"{option}: "):
        job("kind", **{option: value})


def test_all_unusable_options_of_a_policy_are_told_at_once() -> None:
    with pytest.raises(DefinitionError, match=r"max_attempts: .*timeout: .*keep_result: .*retry_on: "):
        job("kind", max_attempts=0, timeout=-1, keep_result=-1, retry_on=5)  # type: ignore[arg-type]


def test_a_forgotten_bracket_is_told() -> None:
    with pytest.raises(DefinitionError, match=r"@job\(\)"):
        job(module_level)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["a b", "é", "{x}", "x" * 129])
def test_a_kind_that_is_no_name_is_refused(kind: str) -> None:
    with pytest.raises(DefinitionError, match=r"^kind: "):
        job(kind)(module_level)


async def generator(ctx: Any) -> Any:
    yield


def plain_generator(ctx: Any) -> Any:
    yield


@functools.wraps(module_level)
def hides_an_async_function(ctx: Any) -> Any:
    return module_level(ctx)


@pytest.mark.parametrize(
    "function",
    [generator, plain_generator, hides_an_async_function, print, 5, resize],
)
def test_only_a_function_is_a_handler(function: Any) -> None:
    """One whose call is the job: not one that gives something to be iterated or awaited."""
    with pytest.raises(DefinitionError, match="is neither an `async def` function nor a plain `def`"):
        job("kind")(function)


def plain(ctx: Any, left: int, right: int = 1) -> int:
    """Add."""
    return left + right


def test_a_plain_function_is_a_handler_that_runs_in_a_thread() -> None:
    handler = job("plain")(plain)
    assert handler.run_in is RunIn.THREAD
    assert handler(None, 1, right=2) == 3
    assert handler.of(1).arguments == b'{"left":1}'
    assert handler.__doc__ == "Add."
    with pytest.raises(InvalidArguments):
        handler.of("one")  # type: ignore[arg-type]


def test_an_async_function_runs_on_the_loop_or_in_a_process() -> None:
    assert job("kind")(module_level).run_in is RunIn.LOOP
    assert job("kind", run_in="loop")(module_level).run_in is RunIn.LOOP
    assert job("kind", run_in="process")(module_level).run_in is RunIn.PROCESS
    assert job("kind", run_in="process")(plain).run_in is RunIn.PROCESS


def test_a_place_that_the_function_cannot_run_in_is_told_at_import() -> None:
    with pytest.raises(DefinitionError, match=r"run_in: an `async def` runs on the loop or in a process"):
        job("kind", run_in="thread")(module_level)
    with pytest.raises(DefinitionError, match=r"run_in: a plain `def` would block the loop"):
        job("kind", run_in="loop")(plain)


def test_only_a_process_has_a_memory_limit() -> None:
    assert job("kind", run_in="process", memory_limit=2**30)(plain).policy.memory_limit == 2**30
    for run_in in (None, "thread", "loop"):
        with pytest.raises(DefinitionError, match=r'memory_limit: .*run_in="process"'):
            job("kind", run_in=run_in, memory_limit=2**30)  # type: ignore[arg-type]


async def no_context() -> None: ...
async def star_context(*ctx: Any) -> None: ...
async def keyword_context(*, ctx: Any) -> None: ...


@pytest.mark.parametrize("function", [no_context, star_context, keyword_context])
def test_a_handler_takes_the_context_first(function: Any) -> None:
    with pytest.raises(DefinitionError, match="first parameter must be the context"):
        job("kind")(function)


async def star(ctx: Any, *args: int) -> None: ...
async def double_star(ctx: Any, **kwargs: int) -> None: ...
async def positional_only(ctx: Any, path: str, /) -> None: ...


@pytest.mark.parametrize(
    ("function", "parameter"), [(star, "args"), (double_star, "kwargs"), (positional_only, "path")]
)
def test_an_argument_without_a_fixed_name_is_refused(function: Any, parameter: str) -> None:
    with pytest.raises(DefinitionError, match=rf"{parameter}.* has no fixed name"):
        job("kind")(function)


async def unresolved(ctx: Any, user: "Nobody") -> None: ...  # type: ignore[name-defined]  # noqa: F821
async def no_schema(ctx: Any, blob: bytearray) -> None: ...
async def no_result_schema(ctx: Any) -> bytearray: ...


@pytest.mark.parametrize("function", [unresolved, no_schema, no_result_schema])
def test_an_annotation_that_cannot_be_used_is_told_at_import(function: Any) -> None:
    with pytest.raises(DefinitionError, match=r"^kind: .*annotation"):
        job("kind")(function)


async def positional_only_context(ctx: Any, /, path: str) -> None: ...


def test_the_context_may_be_positional_only() -> None:
    assert job("kind")(positional_only_context).of("a").arguments == b'{"path":"a"}'


async def odd_names(context: Any, self: int, ctx: int, args: int, kind: int) -> int:
    return self + ctx + args + kind


async def test_an_argument_may_have_any_name() -> None:
    handler = job("odd")(odd_names)
    call = handler.of(self=1, ctx=2, args=3, kind=4)
    assert call.arguments == b'{"self":1,"ctx":2,"args":3,"kind":4}'
    assert await handler(None, self=1, ctx=2, args=3, kind=4) == 10


def test_a_call_knows_its_handler_and_keeps_its_arguments_private() -> None:
    call = resize.of("secret.png")
    assert call.handler is resize
    assert "secret" not in repr(call)
    assert repr(call) == "<Call image.resize>"
    assert repr(resize) == "<Handler image.resize>"


@pytest.mark.parametrize(
    ("matcher", "error", "expected"),
    [
        (ValueError, ValueError(), True),
        (ValueError, KeyError(), False),
        (LookupError, KeyError(), True),
        ((ValueError, KeyError), KeyError(), True),
        ((), KeyError(), False),
        (lambda error: "again" in str(error), ValueError("try again"), True),
        (lambda error: "again" in str(error), ValueError("no"), False),
    ],
)
def test_a_matcher_is_types_or_a_predicate(matcher: Any, error: Exception, expected: bool) -> None:
    assert matches(matcher, error) is expected


def test_discard_on_wins_over_retry_on() -> None:
    policy = job("a", retry_on=LookupError, discard_on=KeyError)(module_level).policy
    assert policy.retries(IndexError())
    assert not policy.retries(KeyError())
    assert not policy.retries(ValueError())


def test_the_shipped_schema_tells_what_of_takes() -> None:
    schema = resize.arguments.json_schema()
    assert schema["required"] == ["path"]
    assert set(schema["properties"]) == {"path", "width", "crop"}
    assert schema["additionalProperties"] is False


def wrong_argument(*args: Any, **kwargs: Any) -> dict[str, str]:
    with pytest.raises(InvalidArguments) as caught:
        resize.of(*args, **kwargs)
    assert str(caught.value).startswith("image.resize: ")
    assert caught.value.kind == "image.resize"
    return caught.value.faults


def test_a_wrong_argument_is_named_and_nothing_else() -> None:
    assert set(wrong_argument("a", width="wide")) == {"width"}
    assert set(wrong_argument(5)) == {"path"}
    assert set(wrong_argument("a", "wide", crop="?")) == {"width", "crop"}


def test_the_value_of_a_wrong_argument_is_not_repeated() -> None:
    with pytest.raises(InvalidArguments) as caught:
        resize.of("a", width="hunter2")  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_missing_argument_is_named_and_nothing_else() -> None:
    assert set(wrong_argument(width=5)) == {"path"}


def test_an_extra_argument_is_named_and_nothing_else() -> None:
    assert set(wrong_argument("a", height=5)) == {"height"}


def test_an_argument_that_is_given_twice_is_named_and_nothing_else() -> None:
    assert wrong_argument("a", path="b") == {"path": "given twice"}


def test_too_many_positional_arguments_are_counted() -> None:
    assert wrong_argument("a", 5, True) == {"arguments": "3 positional arguments given, 2 taken"}


def test_a_keyword_only_argument_is_given_by_keyword() -> None:
    assert resize.of("a", 5, crop=True).arguments == b'{"path":"a","width":5,"crop":true}'


def test_a_default_is_left_to_the_day_on_which_the_job_runs() -> None:
    assert resize.of("a").arguments == b'{"path":"a"}'


def test_arguments_are_converted_as_the_signature_says() -> None:
    assert resize.of("a", width=Decimal(5)).arguments == b'{"path":"a","width":5}'  # type: ignore[arg-type]


def test_an_error_about_a_huge_payload_is_short() -> None:
    async def many(ctx: Any, counts: dict[str, int]) -> None: ...

    handler: Handler[..., None] = job("many")(many)
    with pytest.raises(InvalidArguments) as caught:
        handler.of({"x" * 10_000 + str(n): "?" for n in range(1_000)})
    assert len(str(caught.value)) < 10_000
    assert caught.value.faults["…"] == "and 980 more"
