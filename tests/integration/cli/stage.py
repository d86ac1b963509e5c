"""The console script as a user runs it: from the app's folder, with an environment of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MONARQ = Path(sys.executable).parent / "monarq"
_LOOK_AGAIN = 0.02
_PATIENCE = 60.0

APP = """
import asyncio
from pathlib import Path

from monarq import job


@job("add")
async def add(ctx, a: int, b: int = 1) -> int:
    return a + b


@job("boom", max_attempts=1)
async def boom(ctx, text: str = "no") -> None:
    raise ValueError(text)


@job("mail", queue="mail")
async def mail(ctx) -> None:
    pass


@job("nap")
async def nap(ctx, seconds: float) -> str:
    Path("napping").touch()
    await asyncio.sleep(seconds)
    return "slept"


@job("take_bytes")
async def take_bytes(ctx, data: bytes) -> int:
    return len(data)


class WorkerSettings:
    functions = [add]
"""


def eventually(check: Callable[[], Any], *, within: float = _PATIENCE) -> Any:
    """The first true answer; an assertion error if there is none in time."""
    deadline = time.monotonic() + within
    while not (answer := check()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(_LOOK_AGAIN)
    return answer


class Running:
    """A command under way; its output, stderr included, is in `log`."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def says(self, text: str, times: int = 1) -> "Running":
        """Wait until it has said so."""

        def has_said() -> bool:
            ended = self.process.poll() is not None
            if (said := self.output.count(text) >= times) or not ended:
                return said
            raise AssertionError(
                f"it ended with {self.process.returncode} before it said {text!r}:\n{self.output}"
            )

        eventually(has_said)
        return self

    def send(self, number: signal.Signals) -> "Running":
        self.process.send_signal(number)
        return self

    def ends(self, within: float = _PATIENCE) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(within)

    def children(self) -> list[int]:
        """The processes that it has started and that run."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]


class Stage:
    """An app's folder and an environment; what was started is killed by `clear`."""

    def __init__(self, folder: Path, redis_url: str | None) -> None:
        self.folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MONARQ_")}
        self.environ = {**inherited, "MONARQ_JOBS": "app", "COLUMNS": "200"}
        if redis_url is not None:
            self.environ["MONARQ_REDIS_URL"] = redis_url
        self._started: list[Running] = []
        (folder / "app.py").write_text(APP)

    def monarq(self, *arguments: str, stdin: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            [MONARQ, *arguments],
            cwd=self.folder,
            env=self.environ | environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(
        self, *arguments: str, program: str | Path = MONARQ, stderr: int | None = None, **environ: str
    ) -> Running:
        """Start a command that runs on; its `stderr` may go elsewhere than into its log."""
        log = self.folder / f"output.{len(self._started)}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, *arguments],
                cwd=self.folder,
                env=self.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output if stderr is None else stderr,
            )
        running = Running(process, log)
        self._started.append(running)
        return running

    def clear(self) -> None:
        """Kill what still runs."""
        for running in self._started:
            if running.process.poll() is None:
                running.process.terminate()
                try:
                    running.process.wait(10)
                except subprocess.TimeoutExpired:
                    running.process.kill()
                    running.process.wait()
