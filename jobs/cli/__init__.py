"""The command line: `monarq`, or `python -m monarq.jobs.cli`."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command that the arguments name, and end the process with its exit code."""
    from .app import run  # here, or importing any command's own module would build the whole command line

    sys.exit(run(sys.argv[1:]))
