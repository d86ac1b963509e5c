"""The settings of every process, from the environment: `MONARQ_REDIS_URL`, `MONARQ_CONCURRENCY`, …"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import ConfigError, DefinitionError
from .identity import check_name

PREFIX = "MONARQ_"

#: Names under the prefix that belong to others: the demo, and the settings of the shipped kinds.
_KNOWN_ELSEWHERE = {"MONARQ_DEMO_EXIT"}
#: Under this prefix the dashboard looks after its own names.
_DASHBOARD_PREFIX = "MONARQ_DASHBOARD_"

#: Where `monarq worker` serves its metrics unless it is told otherwise; relay and dashboard likewise.
METRICS_PORT = 9464
RELAY_METRICS_PORT = 9463
DASHBOARD_METRICS_PORT = 9462
#: Of a queue for which the settings name none.
DEFAULT_OBJECTIVE = timedelta(seconds=60)

Span = Annotated[timedelta, Field(gt=timedelta(0))]
#: Which ends of a kind get a line in the log.
EndLines = Literal["failures", "all", "none"] | float


def _seconds(value: Any) -> Any:
    # "30" means thirty seconds; pydantic also reads "PT30S" and "00:00:30"
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


class Settings(BaseSettings):
    """What a process needs to know.  Read once, at start; never mutated.

    Spans are in seconds in the environment.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    #: `redis://`, `rediss://` (TLS) or `unix://`.  Kept out of every `repr`, since it may hold a password.
    redis_url: SecretStr = SecretStr("redis://localhost:6379/0")
    #: `postgresql://…`, as libpq reads it (`?sslmode=verify-full&sslrootcert=…` for TLS).  Without it
    #: there is no outbox, no durable job and no history.
    database_url: SecretStr | None = None
    #: A replica, for all that is only read.
    database_replica_url: SecretStr | None = None
    #: Past PgBouncer, for LISTEN: its transaction mode cannot carry that.  By default `database_url`.
    database_direct_url: SecretStr | None = None
    #: Connections that one process opens, at most, to each server; a worker as many again for `ctx.once()`.
    database_pool_size: int = Field(10, ge=2, le=1_000)
    #: How long a new connection may take.
    database_connect_timeout: Span = timedelta(seconds=5)
    #: How long to wait for a connection while all are in use.
    database_acquire_timeout: Span = timedelta(seconds=5)
    #: How long one statement may take.
    database_statement_timeout: Span = timedelta(seconds=30)
    #: How long a handler may leave the transaction of `ctx.once()` idle.  A frozen worker holds its locks for
    #: so long.
    once_idle_timeout: Span = timedelta(seconds=60)
    #: How long an ended durable job is remembered in PostgreSQL: later than that, a copy of it is no longer
    #: known as one.  Dead ones stay as long as dead letters do.
    durable_keep: Span = timedelta(days=7)
    #: Let the server keep statements prepared.  Turn it off behind PgBouncer in transaction mode.
    database_prepared_statements: bool = True
    #: Write every finished job into PostgreSQL, if there is one.
    history: bool = True
    #: How long finished jobs are kept there, in whole days; 0: for ever.
    history_keep: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(days=30)
    #: How long the history's numbers per hour are kept, of which charts are drawn; 0: for ever.
    insights_keep: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(days=365)
    #: How long it is kept who changed what by hand; 0: for ever.
    audit_keep: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(days=730)
    #: Finished jobs that a worker keeps while PostgreSQL is away; of more, the oldest are not written.
    history_buffer: int = Field(50_000, ge=1)
    #: Let workers bring jobs from PostgreSQL to Redis.  Turn it off where `monarq relay` does it alone.
    relay: bool = True
    #: Modules that hold `@job` handlers, separated by commas.
    jobs: Annotated[tuple[str, ...], NoDecode] = ()
    #: What a worker serves: `mail,default` in strict order, or `critical=6,default=3` by weights.
    queues: Annotated[dict[str, int], NoDecode] = {"default": 0}
    #: Jobs that one worker process runs at once.
    concurrency: int = Field(100, ge=1, le=10_000)
    #: How long a claim holds without a renewal.  Longer: slower recovery from a crash.  Shorter: less
    #: patience with a slow network.
    lease: Annotated[timedelta, Field(ge=timedelta(seconds=1))] = timedelta(seconds=30)
    #: A waiting job counts as one priority higher after each of these.
    ageing: Span = timedelta(seconds=60)
    #: How long jobs of a queue may be ready before it counts as late, as a JSON object of seconds:
    #: `{"mail": 30}`.  Of a queue that it does not name: 60 s.
    objectives: dict[str, Span] = Field(default_factory=dict)
    #: How long a worker that was told to stop lets its jobs finish.
    drain_timeout: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(seconds=25)
    #: How long a handler that was told to stop (its job is cancelled, timed out, or past its deadline) may
    #: take to clean up.  Then the attempt ends without it; it keeps its slot for as long as it goes on.
    cancel_grace: Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(seconds=25))] = timedelta(
        seconds=5
    )
    #: How far a worker process steps back while the machine is busy, 0 to 19 as nice(1) has it.  Raise it
    #: where workers share their cores with Redis: one that keeps Redis waiting keeps itself waiting.
    nice: int = Field(0, ge=0, le=19)
    #: Processes of its own that a job may bring down until it ends dead.
    max_crashes: int = Field(3, ge=1)
    #: Threads that a worker runs `def` jobs in, at most.
    threads: int = Field(32, ge=1)
    #: How long a dead letter is kept; 0: until somebody discards it.
    dead_keep: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(days=90)
    #: Dead letters that are kept per queue; of more, the oldest are dropped.  0: no limit.  Where there is
    #: PostgreSQL they move there, and there is none.
    dead_limit: int = Field(100_000, ge=0)
    #: Child processes that a worker runs `run_in="process"` jobs in; by default as many as there are cores.
    processes: int | None = Field(None, ge=1)
    #: Jobs after which such a child is replaced by a new one.
    child_max_jobs: int = Field(1_000, ge=1)
    #: Resident memory that such a child may have kept after a job; past it, it is replaced.
    child_max_memory_bytes: int | None = Field(None, ge=1)
    #: The largest job that is accepted, encoded.
    max_payload_bytes: int = Field(512 * 1024, ge=1024)
    #: How often to look for jobs of arq's own producers, which wake nobody; by default every half second if
    #: the worker has functions of arq's, else not at all.
    arq_poll: Span | None = None
    #: Read jobs that arq has pickled.  Whoever can write to your Redis can then run code in your workers.
    read_pickled: bool = False
    #: Put each queue's keys into one slot of a Redis Cluster.  The same in all processes, from the first job.
    hash_tags: bool = False
    #: Where metrics and probes are served, by each process of its own; other than loopback, whoever can reach
    #: it reads them.
    metrics_host: str = "127.0.0.1"
    #: And at which port; 0: none.  By default `monarq worker` takes 9464, `monarq relay` 9463, `monarq
    #: dashboard` 9462, and a worker in a process of yours serves none.
    metrics_port: int | None = Field(None, ge=0, le=65535)
    #: While somebody scrapes, let a small job go through each queue that workers serve, once a minute:
    #: a metric then tells whether the whole way works.  Turn it off where arq's own workers share queues.
    heartbeat_jobs: bool = True
    #: The least level that is written.
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    #: One JSON object per line, or lines for people; `auto` is for people on a terminal, else JSON.
    log_format: Literal["auto", "json", "console"] = "auto"
    #: Which ends of jobs get a line in the log, by kind, as a JSON object: `{"mail.*": "all", "poll": 0.01}`.
    #: `failures` (so of kinds that it does not name), `all`, `none`, or a number: failures, and this share of
    #: the successes.  Of several patterns that fit, the first one counts.
    log_ends: dict[str, EndLines] = Field(default_factory=dict)
    #: Do not hide arguments and results in logs.
    log_payloads: bool = False
    #: What OpenTelemetry is told where the app has set it up: attempts are linked to the trace of their
    #: enqueue, or are a part of it (`parent`); `off`: nothing.
    tracing: Literal["link", "parent", "off"] = "link"

    @field_validator(
        "lease",
        "ageing",
        "drain_timeout",
        "cancel_grace",
        "arq_poll",
        "dead_keep",
        "history_keep",
        "insights_keep",
        "audit_keep",
        "database_connect_timeout",
        "database_acquire_timeout",
        "database_statement_timeout",
        "once_idle_timeout",
        "durable_keep",
        mode="before",
    )
    @classmethod
    def _read_span(cls, value: Any) -> Any:
        return _seconds(value)

    @field_validator("jobs", mode="before")
    @classmethod
    def _read_list(cls, value: Any) -> Any:
        return tuple(_parts(value)) if isinstance(value, str) else value

    @field_validator("queues", mode="before")
    @classmethod
    def _read_queues(cls, value: Any) -> Any:
        return parse_queues(value) if isinstance(value, str) else value

    @field_validator("log_ends", mode="before")
    @classmethod
    def _check_log_ends(cls, value: Any) -> Any:
        # here, for pydantic has two faults for a value that fits neither
        for kind, rule in value.items() if isinstance(value, dict) else ():
            is_share = isinstance(rule, int | float) and 0 <= rule <= 1
            if not is_share and rule not in ("failures", "all", "none"):
                raise ValueError(f"{kind!r}: give `failures`, `all`, `none`, or a share from 0 to 1")
        return value

    @field_validator("queues")
    @classmethod
    def _check_queues(cls, queues: dict[str, int]) -> dict[str, int]:
        return _checked(queues)

    @field_validator("database_url", "database_replica_url", "database_direct_url")
    @classmethod
    def _check_database_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("it must begin with postgresql://")
        return url

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: SecretStr) -> SecretStr:
        check_redis_url(url.get_secret_value())
        return url

    def objective(self, queue: str) -> timedelta:
        """How long jobs of this queue may be ready before it counts as late."""
        return self.objectives.get(queue, DEFAULT_OBJECTIVE)

    @property
    def writes_history(self) -> bool:
        """Whether workers write what has ended into PostgreSQL."""
        return self.history and self.database_url is not None


def _parts(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]


def parse_queues(text: str) -> dict[str, int]:
    """Read `mail,default` (strict order, weights 0) or `critical=6,default=3`.

    Raises:
        ValueError: A name or a weight is unusable, a name comes twice, or only some have a weight.
    """
    queues: dict[str, int] = {}
    for part in _parts(text):
        name, has_weight, weight = part.partition("=")
        if has_weight and not (weight.isdecimal() and int(weight) > 0):
            raise ValueError(f"{part!r}: the weight must be a whole number above 0")
        if name in queues:
            raise ValueError(f"{name!r} is named twice")
        queues[name] = int(weight) if has_weight else 0
    return _checked(queues)


def _checked(queues: dict[str, int]) -> dict[str, int]:
    try:
        for name in queues:
            check_name("queue", name)
    except DefinitionError as error:
        raise ValueError(str(error)) from None
    if not queues:
        raise ValueError("name at least one queue")
    if min(queues.values()) < 0:
        raise ValueError("a weight is below 0")
    if len({weight > 0 for weight in queues.values()}) > 1:
        raise ValueError(
            "give all queues a weight (critical=6,default=3), or none (critical,default: strict order)"
        )
    return queues


def check_redis_url(url: str) -> SplitResult:
    """The parts of a url that may be one of Redis.

    Raises:
        ValueError: It is not.  The error repeats nothing of it: it may hold a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss", "unix"):
        raise ValueError("it must begin with redis://, rediss:// or unix://")
    try:
        _ = parts.port
    except ValueError:
        # Python would quote what it takes for the port: the end of a password with a / in it, say
        mend = "write / # ? @ and : of a password as %2F %23 %3F %40 and %3A"
        raise ValueError(f"the port is not a number up to 65535; {mend}") from None
    return parts


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process: `overrides` first (None leaves a setting alone), then the environment.

    Raises:
        ConfigError: With all faults at once: bad values, and names under `MONARQ_` that nobody knows.
    """
    unknown = unknown_names(os.environ)
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        faults = [_describe(fault) for fault in error.errors(include_url=False)]
    else:
        if not unknown:
            return settings
        faults = []
    # outside the `except`, so that no traceback carries the values that pydantic quotes
    raise ConfigError(faults + unknown)


def unknown_names(environ: Mapping[str, str]) -> list[str]:
    """A fault for each name under the prefix that no settings class knows."""
    own = {PREFIX + name.upper() for name in Settings.model_fields} | _KNOWN_ELSEWHERE
    left = [
        name
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in own and not name.startswith(_DASHBOARD_PREFIX)
    ]
    if not left:
        return []
    # here, or every process would load the catalog
    from .catalog.settings import CatalogSettings

    known = own | CatalogSettings.env_names()
    return [f"{name}: no such setting{_suggestion(name, known)}" for name in left if name not in known]


def _suggestion(name: str, known: set[str]) -> str:
    import difflib

    # without the prefix, which makes any two of them alike
    words = [word.removeprefix(PREFIX) for word in known]
    close = difflib.get_close_matches(name.removeprefix(PREFIX), words, n=1)
    return f"; did you mean {PREFIX}{close[0]}?" if close else ""


def _describe(fault: Any) -> str:
    # the value itself stays out: it may be a secret
    return f"{PREFIX}{'.'.join(map(str, fault['loc'])).upper()}: {fault['msg']}"
