"""A relay that kills itself at one point of its first batch: `python -m … "before send"`

The point is `before` or `after`, and one of `take`, `send`, `remove`, `commit`.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from monarq.jobs.settings import load_settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.repositories.outbox import Outbox
from monarq.jobs.store.postgres.unit_of_work import UnitOfWork
from monarq.producer.relay import Relay
from monarq.producer.relay_batch import Carrier

STEPS: dict[str, tuple[Any, str]] = {
    "take": (Outbox, "take"),
    "send": (Carrier, "_send"),
    "remove": (Outbox, "remove"),
    "commit": (UnitOfWork, "commit"),
}
POINTS = [f"{when} {step}" for step in STEPS for when in ("before", "after")]


def die_at(point: str) -> None:
    """Replace one step by one that does not end, or does not begin."""
    when, step = point.split()
    owner, name = STEPS[step]
    original = getattr(owner, name)

    async def dying(*arguments: Any) -> Any:
        if when == "after":
            await original(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dying)


async def main() -> None:
    settings = load_settings()
    database, link = open_database(settings), Link(from_url(settings.redis_url.get_secret_value()))
    await Relay(database, link, settings).run()


if __name__ == "__main__":
    die_at(sys.argv[1])
    asyncio.run(main())
