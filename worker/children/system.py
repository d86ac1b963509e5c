"""What a child asks of the operating system."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IS_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1
#: Of -1000 to 1000: when memory is short, a child is killed before its worker and before Redis.
_OOM_SCORE = "500"
#: Sent to a whole process group (Ctrl-C, a supervisor), they tell the worker to finish what runs; a child
#: that died of them would be what runs.
_FOR_THE_WORKER = ("SIGINT", "SIGTERM", "SIGTSTP", "SIGUSR1", "SIGUSR2")
_KIB = 1024


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its worker ends, however that ends."""
    if not _IS_LINUX:  # there the closed connection has to do
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was faster
        os._exit(1)


def be_first_to_die() -> None:
    """Offer this process to the kernel's out-of-memory killer."""
    if not _IS_LINUX:
        return
    try:
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    except OSError:  # a container may forbid it
        return


def leave_signals_to_worker() -> None:
    """Do nothing about signals that are meant for the worker."""
    for name in _FOR_THE_WORKER:
        # a handler that does nothing, not SIG_IGN: programs that a job starts would inherit that
        signal.signal(getattr(signal, name), lambda number, frame: None)


def resident_bytes() -> int:
    """The memory that this process holds now (its peak, where the system tells only that)."""
    if _IS_LINUX:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def memory_limit(limit: int | None) -> Iterator[None]:
    """Let this process take so many bytes more than it has now; what asks for more gets a `MemoryError`.

    Only on Linux, where the limit also counts what `mmap` gives.
    """
    if limit is None or not _IS_LINUX:
        yield
        return
    before = soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    ceilings = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([_data_bytes() + limit, *ceilings]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * _KIB for line in lines if line.startswith("VmData:"))
