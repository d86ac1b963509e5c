"""What a child needs to know to run jobs as its worker would."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from arq.connections import RedisSettings
from pydantic import SecretStr

from monarq.jobs.handler import RunIn
from monarq.jobs.settings import Settings
from monarq.jobs.store.address import from_pool, to_arq

from ..runnable import Runnable
from .frames import Facts
from .sources import function_of, name_of, source_of

if TYPE_CHECKING:
    from ..worker import Worker

#: What the app may have given the worker besides its jobs, by arq's names.
HOOKS = (
    "on_startup",
    "on_shutdown",
    "on_job_start",
    "on_job_end",
    "job_serializer",
    "job_deserializer",
)
_SIMPLE = (str, int, float, bool, list, tuple, type(None))

Hooks = Mapping[str, Callable[..., Any] | None]


def hooks_of(worker: Worker) -> Hooks:
    """Those that the app has given it."""
    return {name: getattr(worker, name) for name in HOOKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to make a child of one worker.

    What the app gave as objects and JSON cannot carry (`ctx=`, the retry policy of a client) stays behind.
    """

    worker_id: str
    settings: Settings
    redis: RedisSettings
    #: The queue that arq's client enqueues to by default.
    queue_name: str
    honour_retry: bool
    hooks: Hooks

    @classmethod
    def of(cls, worker: Worker) -> Self:
        """How this worker would run them."""
        return cls(
            worker_id=worker.worker_id,
            settings=worker.settings,
            redis=worker.redis_settings or to_arq(from_pool(worker.pool)),
            queue_name=worker.queue_name,
            honour_retry=worker.retry_jobs,
            hooks=hooks_of(worker),
        )

    def encode(self) -> Facts:
        """As the first frame to a child.

        Raises:
            NotImportable: A hook cannot be imported by a child.
        """
        settings = self.settings.model_dump(mode="json")
        return {
            "worker_id": self.worker_id,
            "settings": settings | _secrets(self.settings),
            "redis": _simple_fields(self.redis),
            "queue_name": self.queue_name,
            "honour_retry": self.honour_retry,
            "hooks": _name(self.hooks),
            "path": sys.path,
        }


def check_importable(runnables: Iterable[Runnable], hooks: Hooks) -> None:
    """Find out at start, rather than with the first job, what no child could import.

    Raises:
        NotImportable: A kind that is to run in a process, or a hook.
    """
    if kinds := [runnable for runnable in runnables if runnable.run_in is RunIn.PROCESS]:
        for runnable in kinds:
            source_of(runnable)
        _name(hooks)


def _name(hooks: Hooks) -> dict[str, str | None]:
    given = {name: hooks.get(name) for name in HOOKS}
    return {name: None if hook is None else name_of(hook) for name, hook in given.items()}


def read_recipe(facts: Facts) -> Recipe:
    """The recipe again, in a child; imports the hooks."""
    sys.path[:] = facts["path"]
    redis = facts["redis"]
    if isinstance(redis["host"], list):  # of Sentinels
        redis["host"] = [tuple(address) for address in redis["host"]]
    return Recipe(
        worker_id=facts["worker_id"],
        settings=Settings(**facts["settings"]),
        redis=RedisSettings(**redis),
        queue_name=facts["queue_name"],
        honour_retry=facts["honour_retry"],
        hooks={name: function_of(told) for name, told in facts["hooks"].items()},
    )


def _secrets(settings: Settings) -> dict[str, str]:
    """What a dump of the settings hides."""
    return {name: value.get_secret_value() for name, value in settings if isinstance(value, SecretStr)}


def _simple_fields(redis: RedisSettings) -> Facts:
    given = {field.name: getattr(redis, field.name) for field in fields(redis)}
    return {
        name: value
        for name, value in given.items()
        if isinstance(value, _SIMPLE) and name not in ("retry", "retry_on_error")
    }
