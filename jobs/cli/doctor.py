"""`monarq doctor`: are this Redis and this PostgreSQL fit to hold jobs?"""

from __future__ import annotations

from collections.abc import Sequence

import typer

from ..errors import ConfigError, DatabaseUnavailable, StoreRefused
from ..settings import Settings
from ..store.connection import Link
from ..store.posture import Finding, Level, examine, seconds_ahead
from .commands import new_commands
from .exit_codes import ExitCode
from .output import AsJson, print_json, print_table
from .session import read_settings, with_store

app = new_commands()


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check the Redis of MONARQ_REDIS_URL and the PostgreSQL of MONARQ_DATABASE_URL, and say what to mend.

    Ends with 0 if they may hold jobs (warnings included), 1 if one is unfit, 69 if one does not answer.
    """
    settings = read_settings()
    findings = with_store(settings, examine)
    code = ExitCode.OK
    if settings.database_url is not None:
        code = _examine_database(settings, findings)
    if any(finding.level is Level.REFUSED for finding in findings):
        code = code or ExitCode.FAILURE
    _print(findings, as_json=as_json, fit=not code)
    if code:
        raise typer.Exit(code)


def _examine_database(settings: Settings, findings: list[Finding]) -> ExitCode:
    """Add what is found; the exit code if there is nothing to be found."""
    try:
        # here, so that the command can say what it needs where the packages are not installed
        from ..store.postgres.posture import examine_database
    except ImportError as error:
        raise ConfigError(
            [f"PostgreSQL needs some packages ({error}): pip install 'monarq[postgres]'"]
        ) from None

    async def look(link: Link) -> list[Finding]:
        return await examine_database(settings, redis_ahead=await seconds_ahead(link))

    mend = "see to the server, and to MONARQ_DATABASE_URL"
    try:
        findings += with_store(settings, look)
    except (DatabaseUnavailable, StoreRefused) as error:
        findings.append(Finding("database", Level.REFUSED, str(error), mend))
        return ExitCode.UNAVAILABLE if isinstance(error, DatabaseUnavailable) else ExitCode.FAILURE
    return ExitCode.OK


def _print(findings: Sequence[Finding], *, as_json: bool, fit: bool) -> None:
    rows = [
        {"level": str(finding.level), "check": finding.check, "found": finding.found, "mend": finding.mend}
        for finding in findings
    ]
    if as_json:
        print_json({"fit": fit, "checks": rows})
    else:
        print_table(("level", "check", "found", "mend"), rows, nothing="nothing was checked")
