"""Real worker processes, and the ledger that their jobs keep."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from tests.integration.worker.deadlines import eventually
from tests.meta.repository import ROOT


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    event: str
    job_id: str
    attempt: int
    fence: int
    pid: int
    at: float


class Ledger:
    """What the handlers themselves have noted."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def entries(self, event: str, job_id: str | None = None) -> list[Entry]:
        text = self.path.read_text() if self.path.exists() else ""
        found = [_entry(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [one for one in found if one.event == event and job_id in (None, one.job_id)]

    def starts(self, job_id: str | None = None) -> list[Entry]:
        return self.entries("start", job_id)


def _entry(line: str) -> Entry:
    event, job_id, attempt, fence, pid, at = line.split()
    return Entry(event, job_id, int(attempt), int(fence), int(pid), float(at))


class Fleet:
    """Starts worker processes against one Redis."""

    def __init__(self, url: str, ledger: Ledger) -> None:
        self._url = url
        self._ledger = ledger
        self._processes: list[subprocess.Popen[bytes]] = []

    def command(self, *command: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start a process; `settings` are environment variables without their prefix."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MONARQ_")}
        environ |= {f"MONARQ_{name.upper()}": value for name, value in settings.items()}
        environ |= {"MONARQ_REDIS_URL": self._url, "LEDGER": str(self._ledger.path)}
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environ)
        self._processes.append(process)
        return process

    async def worker(self, client: Redis, **settings: str) -> subprocess.Popen[bytes]:
        """Start `monarq worker`, and wait until it reports itself."""
        known = await _reports(client)
        settings = {"jobs": "tests.e2e.errands", "log_format": "json", **settings}
        process = self.command("-m", "monarq.jobs.cli", "worker", **settings)

        async def is_up() -> bool:
            assert process.poll() is None, f"the worker ended with {process.returncode}"
            return await _reports(client) > known

        await eventually(is_up)
        return process

    def end(self) -> None:
        """Kill what still runs, stopped processes too."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()


async def _reports(client: Redis) -> int:
    return len([key async for key in client.scan_iter("monarq:worker:*")])


@contextmanager
def fleet_at(url: str, folder: Path) -> Iterator[tuple[Fleet, Ledger]]:
    """A fleet with its ledger; nothing of it is left behind."""
    ledger = Ledger(folder / "ledger")
    fleet = Fleet(url, ledger)
    try:
        yield fleet, ledger
    finally:
        fleet.end()
