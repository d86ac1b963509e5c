"""What a process under measurement tells the harness: numbers in a file both have mapped.

A write costs some 50 ns, whereas a line on a pipe or a key in Redis would cost a fast system a large part of
its speed and a slow one nothing.  Standard library only: every peer imports it in an environment of its own.

    word 0              1 once the workers may begin
    words 8 + 8 * slot  pid, ready, first start (CLOCK_MONOTONIC ns), CPU ns at that moment, jobs ended
    words 128 + 2 * k   of job k: enqueue call, handler start (CLOCK_MONOTONIC ns)
"""

import mmap
import os
import threading
import time
from pathlib import Path

WORD_BYTES = 8
STAMPS_AT = 128
PID, READY, FIRST, FIRST_CPU, ENDED = range(5)
START_TIMEOUT = 60.0


def create(path: Path, stamps: int = 0) -> None:
    """Make the file, with room for `stamps` jobs whose times are wanted."""
    path.write_bytes(bytes(WORD_BYTES * (STAMPS_AT + 2 * stamps)))


class Marks:
    """One process's view of the file.

    Args:
        path: The file, made by `create`.
        slot: Which worker this is, 0 to 14.
        threads: Whether handlers run on several threads, so that counting needs a lock.
    """

    def __init__(self, path: str | Path, slot: int = 0, threads: bool = False) -> None:
        with open(path, "r+b") as file:
            self.words = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")
        self._at = 8 + 8 * slot
        self._ended = 0
        self._lock = threading.Lock()
        if threads:
            self.end = self._end_locked  # type: ignore[method-assign]

    def ready(self) -> None:
        """Say that this worker has been loaded, and wait for the common start.

        Interpreters start within tenths of a second of each other, which is as long as a whole drain takes.
        """
        self.words[self._at + PID] = os.getpid()
        self.words[self._at + READY] = 1
        give_up = time.monotonic() + START_TIMEOUT
        while not self.words[0] and time.monotonic() < give_up:
            time.sleep(0.001)

    def start(self) -> None:
        """Note that a handler starts; only the first one leaves a mark."""
        if not self._ended and not self.words[self._at + FIRST]:
            self.words[self._at + FIRST_CPU] = time.process_time_ns()
            self.words[self._at + FIRST] = time.monotonic_ns()

    def end(self) -> None:
        """Count one handler that has ended."""
        self._ended += 1
        self.words[self._at + ENDED] = self._ended

    def _end_locked(self) -> None:
        with self._lock:
            self._ended += 1
            self.words[self._at + ENDED] = self._ended

    def enqueued(self, index: int) -> None:
        """Note that the enqueue call of job `index` is about to be made."""
        self.words[STAMPS_AT + 2 * index] = time.monotonic_ns()

    def started(self, data: str) -> None:
        """Note that the handler of the job with this payload has started."""
        self.words[STAMPS_AT + 2 * int(data[:8]) + 1] = time.monotonic_ns()
