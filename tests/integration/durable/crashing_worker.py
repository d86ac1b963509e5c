"""A worker that dies at one point of a durable job's way: `python -m …crashing_worker POINT`.

What it replaces is its own code, not a server: the process is gone at once, as by SIGKILL.
"""

import os
import sys
from typing import Any

from monarq.jobs.settings import load_settings
from monarq.worker import Worker
from monarq.worker.completer import Completer
from monarq.worker.executor import Executor
from monarq.worker.ledger import Ledger
from monarq.worker.once import Once

from .once_kinds import count, pay

#: Where it dies: a method, and whether before or after its work is done.
POINTS: dict[str, tuple[type[Any], str, bool]] = {
    "before the begin is written down": (Ledger, "_ask_to_open", False),
    "after the begin is written down": (Ledger, "_ask_to_open", True),
    "after the handler": (Executor, "attempt", True),
    "before the end is recorded": (Ledger, "record", False),
    "after the end is recorded": (Ledger, "record", True),
    "before redis is settled": (Completer, "_persist", False),
    "after redis is settled": (Completer, "_persist", True),
    "before the handler's commit": (Once, "_committed", False),
    "after the handler's commit": (Once, "_committed", True),
}


def die_at(point: str) -> None:
    owner, name, after = POINTS[point]
    original = getattr(owner, name)

    async def dying(*arguments: Any, **options: Any) -> Any:
        if after:
            await original(*arguments, **options)
        os._exit(9)

    setattr(owner, name, dying)


if __name__ == "__main__":
    die_at(sys.argv[1])
    Worker([pay, count], settings=load_settings()).run()
