"""The processes under measurement: producers and workers of one system, started, watched and stopped."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from .environments import interpreter_of, variables
from .measured import marks
from .measured.marks import Marks
from .systems import System

READY_TIMEOUT = 40.0
STOP_TIMEOUT = 3.0
POLL_SECONDS = 0.002
MAX_WORKERS = 15


class Failed(Exception):
    """A measurement did not come about; the text says why."""


def command(system: System, role: str, url: str, **options: object) -> list[str]:
    interpreter = sys.executable if system.own else interpreter_of(system.peer)
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [interpreter, str(system.script), role, f"--url={url}", f"--variant={system.variant}", *flags]


def produce(
    system: System, url: str, role: str = "enqueue", timeout: float = 300.0, **options: object
) -> dict[str, Any]:
    """Run a producer to its end and return what it measured.

    Raises:
        Failed: It ended badly, took too long, or has no such call.
    """
    argv, env = command(system, role, url, **options), variables(system.peer)
    try:
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{role} took more than {timeout:.0f} s") from error
    if done.returncode:
        raise Failed(f"{role}: {what_went_wrong(done.stderr)}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if measured.get("unsupported"):
        raise Failed("has no such call")
    return measured


def what_went_wrong(text: str) -> str:
    """The last line that names an error (Node prints its version after it), or the last one there is."""
    lines = text.strip().splitlines() or ["no output"]
    return next((line for line in reversed(lines) if "Error" in line), lines[-1]).strip()[:200]


def cpu_ns(pid: int) -> int | None:
    """CPU time of another process, exact to the nanosecond; None where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return None
    # clock_getcpuclockid(3) as Linux defines it: the complement of the pid above three bits of type.
    return time.clock_gettime_ns((~pid << 3) | 2)


@dataclass(frozen=True, slots=True)
class Crew:
    """The worker processes of one measurement and the file they mark."""

    processes: list["subprocess.Popen[bytes]"]
    path: Path
    view: Marks
    log: Path

    def word(self, slot: int, field: int) -> int:
        return self.view.words[8 + 8 * slot + field]

    def ended(self) -> int:
        """Handlers that have ended so far, in all workers."""
        return sum(self.word(slot, marks.ENDED) for slot in range(len(self.processes)))

    def first_start(self) -> int:
        """When the first handler started, CLOCK_MONOTONIC ns."""
        return min(at for slot in range(len(self.processes)) if (at := self.word(slot, marks.FIRST)))

    def cpu_seconds(self) -> float | None:
        """CPU of all workers since the first handler of each."""
        spent = 0
        for slot in range(len(self.processes)):
            now = cpu_ns(self.word(slot, marks.PID))
            if now is None:
                return None
            if self.word(slot, marks.FIRST):
                spent += now - self.word(slot, marks.FIRST_CPU)
        return spent / 1e9

    def go(self) -> None:
        """Wait until every worker has been loaded, then let them all begin."""
        slots = range(len(self.processes))
        self.wait(lambda: all(self.word(slot, marks.READY) for slot in slots), READY_TIMEOUT, "start")
        self.view.words[0] = 1

    def wait(self, holds: "Any", timeout: float, what: str) -> None:
        """Poll `holds` every 2 ms.

        Raises:
            Failed: It did not hold in time, or a worker ended meanwhile.
        """
        give_up, polls = time.monotonic() + timeout, 0
        while not holds():
            polls += 1
            if polls % 100 == 0 and any(process.poll() is not None for process in self.processes):
                raise Failed(f"worker ended early: {what_went_wrong(self.log.read_text())}")
            if time.monotonic() > give_up:
                raise Failed(f"no {what} within {timeout:.0f} s ({self.ended()} handlers had ended)")
            time.sleep(POLL_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.terminate()
        give_up = time.monotonic() + STOP_TIMEOUT
        for process in self.processes:
            try:
                process.wait(max(0.1, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def crew(
    system: System, url: str, workers: int = 1, concurrency: int = 100, stamps: int = 0
) -> Iterator[Crew]:
    """Worker processes, loaded but held back until `go()`; stopped at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="monarq-bench-") as directory:
        path, log = Path(directory) / "marks", Path(directory) / "log"
        marks.create(path, stamps)
        with log.open("w") as output:
            processes = [
                subprocess.Popen(
                    command(
                        system, "worker", url, concurrency=concurrency, marks=path, slot=slot, workers=workers
                    ),
                    stdout=output,
                    stderr=output,
                    env=variables(system.peer),
                )
                for slot in range(workers)
            ]
        with Crew(processes, path, Marks(path), log) as started:
            yield started
