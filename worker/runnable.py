"""One shape for all that a worker can run: typed handlers, arq's functions and arq's cron jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Self, cast

import arq.worker
from arq.cron import CronJob
from arq.worker import Function
from pydantic_core import to_json

from monarq.jobs.context import JobContext
from monarq.jobs.envelope import Envelope
from monarq.jobs.handler import Handler, Policy, RunIn
from monarq.jobs.retry import fixed
from monarq.jobs.store.verbs import milliseconds

#: Several workers may enqueue the same instant of a cron job; its result, even an empty one, tells that it
#: has run.
CRON_MEMORY = timedelta(seconds=60)


Call = Callable[[JobContext], Any]


@dataclass(slots=True)
class Runnable:
    """A kind of job, ready to run."""

    kind: str
    policy: Policy
    #: Checks the arguments (raises `InvalidArguments`) and gives a call that takes the context: it gives the
    #: result, or what is to be awaited for it on the loop.
    bind: Callable[[Envelope], Call]
    #: The JSON of a result; raises `ValueError` or `TypeError` if it has none.
    encode: Callable[[Any], bytes]
    #: What the app has defined.
    origin: Handler[..., Any] | Function | CronJob
    run_in: RunIn = RunIn.LOOP
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

    def bind(envelope: Envelope) -> Call:
        arguments = decode(envelope.args, envelope.kwargs)
        return lambda ctx: function(ctx, **arguments)

    return Runnable(handler.kind, handler.policy, bind, handler.result.encode, handler, handler.run_in)


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

    @classmethod
    def of(cls, worker: arq.worker.Worker, *, retry_errors: bool) -> Self:
        """As they were given to this worker."""
        return cls(
            timeout=worker.job_timeout_s,
            keep_result=worker.keep_result_s,
            keep_result_forever=worker.keep_result_forever,
            max_tries=worker.max_tries,
            retry_errors=retry_errors,
        )


def from_arq(function: Function | CronJob, defaults: ArqDefaults) -> Runnable:
    """One of arq's functions or cron jobs."""

    def bind(envelope: Envelope) -> Call:
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


def all_runnables(
    functions: Mapping[str, Function | CronJob], handlers: Iterable[Handler[..., Any]], defaults: ArqDefaults
) -> dict[str, Runnable]:
    """All kinds of a worker, by name; a typed one wins over a function of arq's."""
    runnables = {name: from_arq(function, defaults) for name, function in functions.items()}
    return runnables | {handler.kind: from_handler(handler) for handler in handlers}


def as_arq(handler: Handler[..., Any]) -> Function:
    """A typed kind as arq's worker lists it; it is never run through this."""
    timeout = handler.policy.timeout
    return Function(
        name=handler.kind,
        coroutine=cast(Any, handler.function),
        timeout_s=timeout.total_seconds() if timeout else None,
        keep_result_s=None,
        keep_result_forever=None,
        max_tries=handler.policy.max_attempts,
    )
