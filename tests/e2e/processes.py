"""Worker processes: started, watched, stopped and killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.integration.worker.deadlines import eventually

from .ledger import LEDGER

ROOT = Path(__file__).resolve().parents[2]
_STOPS_WITHIN = 10.0


class Process:
    """A worker of its own process; whatever it writes goes to `log`.

    Args:
        arguments: What Python is to run.
        folder: For its log, and the ledger.
        environment: Further variables.
    """

    def __init__(self, arguments: list[str], folder: Path, **environment: str) -> None:
        number = len(list(folder.glob("worker-*.log")))
        self.log_path = folder / f"worker-{number}.log"
        self._environment = os.environ | {LEDGER: str(folder / "ledger")} | environment
        self._command = [sys.executable, *arguments]
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll()

    async def says(self, event: str) -> None:
        """Wait for a line of its log."""
        await eventually(lambda: event in self.log or not self.alive)
        assert event in self.log, self.log

    async def ends(self) -> int | None:
        """Wait for its end, and give its exit code."""
        await eventually(lambda: not self.alive)
        return self.exit_code

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, as the kernel does when memory runs out."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it, in order if it will."""
        if self.alive:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            self.send(signal.SIGTERM)
            try:
                self.process.wait(_STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                self.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is not None:
            print(f"--- {self.log_path.name}, exit code {self.exit_code}\n{self.log[-4000:]}")
