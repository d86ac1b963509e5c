"""Every error that Monarq raises on purpose.

    MonarqError                        anything below; catch this to catch us
    ├── DefinitionError                a programmer's mistake, found at import or start
    │   ├── DuplicateKind
    │   └── UnknownKind
    ├── ConfigError                    the settings or the server's settings are unusable
    │   └── NoDatabase                 this needs PostgreSQL, and none is named
    ├── JobRejected                    this enqueue was refused; nothing was written
    │   ├── InvalidArguments
    │   ├── PayloadTooLarge
    │   ├── Conflict                   the id is taken by a job with other content
    │   └── NotUnique                  its unique key is held by another job
    ├── InvalidResult                  a result and its handler's return annotation do not fit
    ├── JobNotFound                    no trace of the job (it never existed, or was forgotten)
    ├── JobUnsuccessful                the job ended, but not with a result
    │   ├── JobFailed                  it is a dead letter
    │   ├── JobCancelled
    │   └── JobExpired
    ├── CorruptRecord                  a record in the store cannot be read
    └── StoreError
        ├── StoreUnavailable           no answer; what was asked may have happened
        │   └── DatabaseUnavailable    none from PostgreSQL
        └── StoreRefused               the store answered with an error (forbidden, a wrong type, …)
            ├── StoreFull              it has no memory or disk left; what was asked did not happen
            └── DatabaseRefused        PostgreSQL did
                └── NotMigrated        its tables are not there, or of another release

`code` is stable and meant for machines; the message is meant for people and says what to do next.
"""

from __future__ import annotations


def _listed(faults: dict[str, str]) -> str:
    return "; ".join(f"{name}: {fault}" for name, fault in faults.items())


class MonarqError(Exception):
    """Base of every error that Monarq raises on purpose."""

    code = "monarq_error"


class DefinitionError(MonarqError):
    """A job, a queue or an option was declared wrongly; raised at import or at start."""

    code = "definition_error"


class DuplicateKind(DefinitionError):
    """Two handlers claim one kind."""

    code = "duplicate_kind"

    def __init__(self, kind: str, first: str, second: str) -> None:
        super().__init__(
            f"kind {kind!r} is defined twice, by {first} and by {second}; give one of them another name: "
            f'@job("another.name")'
        )
        self.kind = kind


class UnknownKind(DefinitionError):
    """No loaded handler has this kind."""

    code = "unknown_kind"

    def __init__(self, kind: str, known: tuple[str, ...]) -> None:
        listed = ", ".join(known) or "none"
        super().__init__(
            f"no handler of kind {kind!r} is loaded (known: {listed}); name its module in MONARQ_JOBS"
        )
        self.kind = kind


class ConfigError(MonarqError):
    """The settings, or those of the server, are unusable.  `faults` lists all of them."""

    code = "config_error"

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class NoDatabase(ConfigError):
    """What was asked needs PostgreSQL, and the settings name none."""

    code = "no_database"

    def __init__(self) -> None:
        super().__init__(["this needs PostgreSQL: set MONARQ_DATABASE_URL, then run `monarq migrate`"])


class JobRejected(MonarqError):
    """This enqueue was refused.  Nothing was written."""

    code = "job_rejected"


class InvalidArguments(JobRejected):
    """The arguments do not fit the handler's signature.  `faults` maps each argument to its fault."""

    code = "invalid_arguments"

    def __init__(self, kind: str, faults: dict[str, str]) -> None:
        super().__init__(f"{kind}: {_listed(faults)}")
        self.kind, self.faults = kind, faults


class PayloadTooLarge(JobRejected):
    """The encoded job is larger than the limit."""

    code = "payload_too_large"

    def __init__(self, kind: str, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"{kind}: the encoded job has {size_bytes:,} bytes, the limit is {limit_bytes:,} "
            f"(MONARQ_MAX_PAYLOAD_BYTES); store the data elsewhere and pass a reference"
        )
        self.kind, self.size_bytes, self.limit_bytes = kind, size_bytes, limit_bytes


class Conflict(JobRejected):
    """A job with this id exists and has another kind or other arguments."""

    code = "conflict"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id!r} exists with another kind or other arguments; choose another job_id")
        self.job_id = job_id


class NotUnique(JobRejected):
    """Another job holds the unique key, and the rule says `on_conflict="reject"`.  `held_by` is its id."""

    code = "not_unique"

    def __init__(self, kind: str, held_by: str) -> None:
        super().__init__(
            f"{kind}: job {held_by!r} holds the unique key; wait for its end, or take another on_conflict"
        )
        self.kind, self.held_by = kind, held_by


class InvalidResult(MonarqError):
    """What a handler returned does not fit its annotation: then, or (when it is read) as it is today."""

    code = "invalid_result"

    def __init__(self, kind: str, faults: dict[str, str]) -> None:
        super().__init__(f"{kind}: {_listed(faults)}")
        self.kind, self.faults = kind, faults


class JobNotFound(MonarqError):
    """The store holds no trace of the job: it never existed, or its result is no longer kept."""

    code = "job_not_found"

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job {job_id!r}: it never existed, or its result is no longer kept")
        self.job_id = job_id


class JobUnsuccessful(MonarqError):
    """The job ended without a result."""

    code = "job_unsuccessful"

    def __init__(self, job_id: str, message: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class JobFailed(JobUnsuccessful):
    """The job is a dead letter.  Type, message and traceback text of the error are its last attempt's."""

    code = "job_failed"

    def __init__(
        self, job_id: str, kind: str, error_type: str, message: str, traceback_text: str = ""
    ) -> None:
        super().__init__(job_id, f"{kind} {job_id} failed: {error_type}: {message}")
        self.kind, self.error_type = kind, error_type
        self.message, self.traceback_text = message, traceback_text


class JobCancelled(JobUnsuccessful):
    """The job was cancelled before it could succeed.  `by` and `reason` say by whom and why, if known."""

    code = "job_cancelled"

    def __init__(self, job_id: str, message: str, by: str = "", reason: str = "") -> None:
        super().__init__(job_id, message)
        self.by, self.reason = by, reason


class JobExpired(JobUnsuccessful):
    """The job's own deadline (`expires_in`) passed before it could succeed."""

    code = "job_expired"


class CorruptRecord(MonarqError):
    """A record in the store cannot be read."""

    code = "corrupt_record"


class StoreError(MonarqError):
    """The store did not do what was asked."""

    code = "store_error"


class StoreUnavailable(StoreError):
    """The store did not answer.  What was asked may have happened: repeat it with the same job id."""

    code = "store_unavailable"


class StoreRefused(StoreError):
    """The store answered with an error: not permitted, or a key of another type.  It did not happen."""

    code = "store_refused"


class StoreFull(StoreRefused):
    """The store has no memory or disk left.  It did not happen; make room, or enqueue more slowly."""

    code = "store_full"


class DatabaseUnavailable(StoreUnavailable):
    """PostgreSQL did not answer.  What was asked may have happened."""

    code = "database_unavailable"


class DatabaseRefused(StoreRefused):
    """PostgreSQL answered with an error.  What was asked did not happen."""

    code = "database_refused"


class NotMigrated(DatabaseRefused):
    """The tables of Monarq are not in the database, or are those of another release."""

    code = "not_migrated"
