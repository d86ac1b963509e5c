"""One shape for all that a worker can run: typed handlers, arq's functions and arq's cron jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import arq.worker
from arq.cron import CronJob
from arq.worker import Function
from pydantic_core import to_json

from monarq.jobs.context import JobContext
from monarq.jobs.envelope import Envelope
from monarq.jobs.handler import Handler, Policy
from monarq.jobs.retry import fixed
from monarq.jobs.store.verbs import milliseconds

#: Several workers may enqueue the same instant of a cron job; its result, even an empty one, tells that it
#: has run.
CRON_MEMORY = timedelta(seconds=60)


@dataclass(slots=True)
class Runnable:
    """A kind of job, ready to run."""

    kind: str
    policy: Policy
    #: Checks the arguments (raises `InvalidArguments`) and gives a call that awaits the context.
    bind: Callable[[Envelope], Callable[[JobContext], Awaitable[Any]]]
    #: The JSON of a result; raises `ValueError` or `TypeError` if it has none.
    encode: Callable[[Any], bytes]
    #: What the app has defined.
    origin: Handler[..., Any] | Function | CronJob
    #: From the policy, as the hot path needs them.
    timeout_seconds: float | None = field(init=False)
    keep_ms: int = field(init=False)

    def __post_init__(self) -> None:
        timeout, keep = self.policy.timeout, self.policy.keep_result
        self.timeout_seconds = None if timeout is None else timeout.total_seconds()
        self.keep_ms = -1 if keep is None else milliseconds(keep)


def from_handler(handler: Handler[..., Any]) -> Runnable:
    """A typed kind."""
    function, decode = handler.function, handler.arguments.decode

    def bind(envelope: Envelope) -> Callable[[JobContext], Awaitable[Any]]:
        arguments = decode(envelope.args, envelope.kwargs)
        return lambda ctx: function(ctx, **arguments)

    return Runnable(handler.kind, handler.policy, bind, handler.result.encode, handler)


@dataclass(frozen=True, slots=True)
class ArqDefaults:
    """What arq's worker arguments say for functions that do not say it themselves."""

    timeout: float | None
    keep_result: float
    keep_result_forever: bool
    max_tries: int
    #: arq never runs a function again after an ordinary exception, and functions were written under that
    #: rule.
    retry_errors: bool


def from_arq(function: Function | CronJob, defaults: ArqDefaults) -> Runnable:
    """One of arq's functions or cron jobs."""

    def bind(envelope: Envelope) -> Callable[[JobContext], Awaitable[Any]]:
        return lambda ctx: function.coroutine(ctx, *envelope.args, **envelope.kwargs)

    policy = _arq_policy(function, defaults)
    if isinstance(function, CronJob) and policy.keep_result is not None:
        policy = replace(policy, keep_result=max(policy.keep_result, CRON_MEMORY))
    return Runnable(function.name, policy, bind, to_json, function)


def _arq_policy(function: Function | CronJob, defaults: ArqDefaults) -> Policy:
    timeout = defaults.timeout if function.timeout_s is None else function.timeout_s
    keep = defaults.keep_result if function.keep_result_s is None else function.keep_result_s
    forever = (
        defaults.keep_result_forever if function.keep_result_forever is None else function.keep_result_forever
    )
    return Policy(
        max_attempts=max(1, defaults.max_tries if function.max_tries is None else function.max_tries),
        timeout=timedelta(seconds=timeout) if timeout else None,
        backoff=fixed(0),  # arq's `Retry()` runs again at once
        retry_on=Exception if defaults.retry_errors else (),
        keep_result=None if forever else timedelta(seconds=keep),
    )


def as_arq(handler: Handler[..., Any]) -> Function:
    """A typed kind as arq's worker lists it; it is never run through this."""
    timeout = handler.policy.timeout
    return arq.worker.func(
        cast(Any, handler.function),
        name=handler.kind,
        timeout=timeout.total_seconds() if timeout else None,
        max_tries=handler.policy.max_attempts,
    )
