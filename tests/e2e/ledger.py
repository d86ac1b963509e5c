"""What really happened: each start and end of a handler, written where no fault of the test can reach it.

One line per event, by one write to a file opened with O_APPEND: it survives kill -9, and is never counted
from Redis or from what the system under test says of itself.
"""

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

#: The environment variable by which workers find the file.
LEDGER = "E2E_LEDGER"


@dataclass(frozen=True)
class Event:
    """One line.  `at` is CLOCK_MONOTONIC, which all processes of a machine share."""

    what: str
    job_id: str
    attempt: int
    fence: int
    pid: int
    at: float


def write(what: str, job_id: str, attempt: int, fence: int = 0) -> None:
    """Append one event, from a worker's process."""
    line = f"{what} {job_id} {attempt} {fence} {os.getpid()} {time.monotonic()}\n"
    file = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


class Ledger:
    """Reads the events of all processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def events(self, what: str, job_id: str | None = None) -> list[Event]:
        """The events of this sort, of one job or of all, in the order in which they were written.

        A line without its end is one that a process is writing at this moment (a file grows page by page):
        it is read next time.
        """
        written, _, _ = self.path.read_text().rpartition("\n")
        lines = [line.split() for line in written.splitlines()]
        found = [Event(a, b, int(c), int(d), int(e), float(f)) for a, b, c, d, e, f in lines]
        return [event for event in found if event.what == what and job_id in (None, event.job_id)]

    def starts(self, job_id: str | None = None) -> list[Event]:
        return self.events("start", job_id)

    def ends(self, job_id: str | None = None) -> list[Event]:
        return self.events("end", job_id)

    def counts(self) -> Counter[str]:
        """Starts per job."""
        return Counter(event.job_id for event in self.starts())
