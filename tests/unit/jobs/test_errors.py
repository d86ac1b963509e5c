"""The tree of errors: what its module draws is what there is."""

import re

import pytest

from monarq.jobs import errors
from monarq.jobs.errors import MonarqError

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, Exception)
}


def drawn() -> dict[str, str | None]:
    """Each class of the drawing, and the one that it hangs from."""
    parents: dict[str, str | None] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    ([│├└─ ]*)([A-Z]\w+)", line)
        if match is None:
            continue
        depth, name = len(match[1]), match[2]
        while path and path[-1][0] >= depth:
            path.pop()
        parents[name] = path[-1][1] if path else None
        path.append((depth, name))
    return parents


def test_the_drawn_tree_is_the_tree_of_classes() -> None:
    real = {name: None if cls is MonarqError else cls.__bases__[0].__name__ for name, cls in CLASSES.items()}
    assert drawn() == real


def test_every_error_hangs_from_one_base() -> None:
    assert MonarqError.__bases__ == (Exception,)
    assert all(issubclass(cls, MonarqError) for cls in CLASSES.values())


def test_codes_are_stable() -> None:
    """Machines read them: a changed one is a breaking change."""
    assert {name: cls.code for name, cls in CLASSES.items()} == {
        "MonarqError": "monarq_error",
        "DefinitionError": "definition_error",
        "DuplicateKind": "duplicate_kind",
        "UnknownKind": "unknown_kind",
        "ConfigError": "config_error",
        "JobRejected": "job_rejected",
        "InvalidArguments": "invalid_arguments",
        "PayloadTooLarge": "payload_too_large",
        "Conflict": "conflict",
        "NotUnique": "not_unique",
        "InvalidResult": "invalid_result",
        "JobNotFound": "job_not_found",
        "JobUnsuccessful": "job_unsuccessful",
        "JobFailed": "job_failed",
        "JobCancelled": "job_cancelled",
        "JobExpired": "job_expired",
        "CorruptRecord": "corrupt_record",
        "StoreError": "store_error",
        "StoreUnavailable": "store_unavailable",
        "StoreRefused": "store_refused",
        "StoreFull": "store_full",
        "NoDatabase": "no_database",
        "DatabaseUnavailable": "database_unavailable",
        "DatabaseRefused": "database_refused",
        "NotMigrated": "not_migrated",
    }


def test_codes_are_unique() -> None:
    codes = [cls.code for cls in CLASSES.values()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("name", CLASSES)
def test_every_error_says_when_it_is_raised(name: str) -> None:
    assert CLASSES[name].__doc__


def test_a_failure_tells_kind_type_message_and_traceback() -> None:
    error = errors.JobFailed("job-1", "mail.send", "ValueError", "no such user", "Traceback …")
    assert str(error) == "mail.send job-1 failed: ValueError: no such user"
    assert (error.job_id, error.kind, error.error_type) == ("job-1", "mail.send", "ValueError")
    assert (error.message, error.traceback_text) == ("no such user", "Traceback …")


def test_a_payload_that_is_too_large_names_the_setting() -> None:
    error = errors.PayloadTooLarge("kind", 2_000_000, 1_000_000)
    assert "2,000,000" in str(error)
    assert "MONARQ_MAX_PAYLOAD_BYTES" in str(error)


def test_all_faults_of_the_settings_are_in_one_text() -> None:
    error = errors.ConfigError(["a: bad", "b: worse"])
    assert str(error) == "a: bad; b: worse"
    assert error.faults == ["a: bad", "b: worse"]
