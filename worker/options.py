"""The constructor arguments of arq's worker, and how settings classes give them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from datetime import timedelta, tzinfo
from typing import Any, TypedDict

from arq.connections import ArqRedis, RedisSettings
from arq.cron import CronJob
from arq.typing import StartupShutdown
from arq.utils import to_seconds

from monarq.jobs.codec import Deserializer, ForeignCodec, Serializer
from monarq.jobs.settings import Settings
from monarq.jobs.store.arq_json import serialize
from monarq.jobs.store.keys import QueueKeys, arq_queue_keys, queue_keys
from monarq.jobs.store.pickled import pickle_codec

Seconds = int | float | timedelta

#: arq's own default, kept for its functions: their producers wake nobody.
_ARQ_POLL = 0.5


class ArqOptions(TypedDict, total=False):
    """arq's arguments, with arq's meanings.

    Those marked * have nothing left to do, and are accepted for its sake.
    """

    queue_name: str | None
    cron_jobs: Sequence[CronJob] | None
    redis_settings: RedisSettings | None
    redis_pool: ArqRedis | None
    burst: bool
    on_startup: StartupShutdown | None
    on_shutdown: StartupShutdown | None
    on_job_start: StartupShutdown | None
    on_job_end: StartupShutdown | None
    after_job_end: StartupShutdown | None
    handle_signals: bool
    #: The drain time; 0 means the setting's default here, not "cancel at once".
    job_completion_wait: int
    max_jobs: int
    job_timeout: Seconds
    keep_result: Seconds
    keep_result_forever: bool
    #: How often to look for jobs of arq's own producers.
    poll_delay: Seconds
    queue_read_limit: int | None  # *
    max_tries: int
    health_check_interval: Seconds
    health_check_key: str | None
    ctx: dict[Any, Any] | None
    retry_jobs: bool
    allow_abort_jobs: bool  # * cancelling always works
    max_burst_jobs: int
    #: Used for jobs that are not JSON, and for their results.
    job_serializer: Serializer | None
    job_deserializer: Deserializer | None
    expires_extra_ms: int  # * jobs that wait do not expire
    timezone: tzinfo | None
    log_results: bool  # * results are not logged


def options_of(settings_class: type | dict[str, Any], constructor: Any) -> dict[str, Any]:
    """The constructor's arguments among the attributes of an arq-style `WorkerSettings` class or dict."""
    names = {
        name for name in inspect.signature(constructor).parameters if name not in ("self", "arq_options")
    }
    names |= set(ArqOptions.__annotations__)
    if isinstance(settings_class, dict):
        return {name: value for name, value in settings_class.items() if name in names}
    return {name: getattr(settings_class, name) for name in names if hasattr(settings_class, name)}


def foreign_codec(
    settings: Settings, serializer: Serializer | None, deserializer: Deserializer | None
) -> ForeignCodec | None:
    """How jobs are read that are no JSON of ours; None if they are not."""
    if deserializer is not None:
        return ForeignCodec(serializer or serialize, deserializer)
    return pickle_codec() if settings.read_pickled else None


def queue_weights(
    queues: Mapping[str, int] | Sequence[str] | None, arq_name: str, *, tagged: bool
) -> dict[QueueKeys, int]:
    """The queues to be served, with their weights; without any of ours it is the one that arq names."""
    if queues is None:
        return {arq_queue_keys(arq_name): 0}
    weights = queues if isinstance(queues, Mapping) else dict.fromkeys(queues, 0)
    return {queue_keys(name, tagged=tagged): weight for name, weight in weights.items()}


def poll_seconds(settings: Settings, given: Any, *, has_arq_functions: bool) -> float | None:
    """How often to look for jobs that nobody was woken for; None for never."""
    if given is not None:
        return float(to_seconds(given))
    if settings.arq_poll is not None:
        return settings.arq_poll.total_seconds()
    return _ARQ_POLL if has_arq_functions else None
