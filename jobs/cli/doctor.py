"""`monarq doctor`: is this Redis fit to hold jobs?"""

from __future__ import annotations

import typer

from ..store.posture import Level, examine
from .commands import new_commands
from .exit_codes import ExitCode
from .output import AsJson, print_json, print_table
from .session import read_settings, with_store

app = new_commands()


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check the Redis of MONARQ_REDIS_URL, and say how to mend what is wrong.

    Ends with 0 if it may hold jobs (warnings included), 1 if a worker would refuse it, 69 if it does not
    answer.
    """
    findings = with_store(read_settings(), examine)
    rows = [
        {"level": str(finding.level), "check": finding.check, "found": finding.found, "mend": finding.mend}
        for finding in findings
    ]
    refused = any(finding.level is Level.REFUSED for finding in findings)
    if as_json:
        print_json({"fit": not refused, "checks": rows})
    else:
        print_table(("level", "check", "found", "mend"), rows, nothing="nothing was checked")
    if refused:
        raise typer.Exit(ExitCode.FAILURE)
