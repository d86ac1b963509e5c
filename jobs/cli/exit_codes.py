"""What the exit codes of every command mean; the numbers are those of `sysexits.h`."""

from __future__ import annotations

from enum import IntEnum

from ..errors import ConfigError, DefinitionError, InvalidArguments, MonarqError, StoreUnavailable


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0  #: all went well
    FAILURE = 1  #: it was done, and the answer is no; or an error that has no code of its own
    USAGE = 2  #: wrong options, or arguments that do not fit the job's types
    UNAVAILABLE = 69  #: Redis does not answer
    INTERNAL = 70  #: a fault of ours, or an exception of the app's own start-up code
    DRAIN_TIMED_OUT = 75  #: a worker handed back what did not end in time
    CONFIG = 78  #: settings, the server's settings or the definition of a job


_CODES: tuple[tuple[type[MonarqError], ExitCode], ...] = (
    (ConfigError, ExitCode.CONFIG),
    (DefinitionError, ExitCode.CONFIG),
    (InvalidArguments, ExitCode.USAGE),
    (StoreUnavailable, ExitCode.UNAVAILABLE),
)


def exit_code_of(error: MonarqError) -> ExitCode:
    """The exit code of a command that ended with this error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILURE)
