"""`make demo`: real jobs on a real stack, the verdict on them, and a tidy end however it comes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from monarq.worker.dev.valkey import EmbeddedValkey, FolderInUse
from tests.meta.repository import ROOT

DEMO = Path(".monarq") / "demo"
#: Plenty, since other tests may keep the machine busy.
END_SECONDS = 60.0


@contextmanager
def demo_in(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo without a terminal; it is given a setting that must not reach it."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "MONARQ_REDIS_URL": "redis://127.0.0.1:1/0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "demo"],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def read_until(stream: IO[str] | None, words: str) -> None:
    assert stream is not None
    said = []
    for line in stream:
        said.append(line)
        if words in line:
            return
    raise AssertionError(f"the demo ended without a word of {words!r}:\n{''.join(said)}")


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + END_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def workers_of(folder: Path) -> list[int]:
    """The process ids of the workers, by the names that they log."""
    log = (folder / DEMO / "stack.log").read_text(encoding="utf-8")
    return [int(pid) for pid in re.findall(r'"worker": "[^"]*-(\d+)-[^"]*".*worker\.started', log)]


def postgres_of(folder: Path) -> int:
    """The process id of the database server."""
    pid_file = folder / DEMO / "valkey" / "postgres" / "data" / "postmaster.pid"
    return int(pid_file.read_text().partition("\n")[0])


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def is_free(data: Path) -> bool:
    """Whether nobody keeps a server in the folder."""
    try:
        EmbeddedValkey(data).start().stop()
    except FolderInUse:
        return False
    return True


def test_all_jobs_end_as_they_should(own_folder: Path) -> None:
    with demo_in(own_folder) as demo:
        output, _ = demo.communicate()
    assert demo.returncode == 0, output
    assert "369 succeeded, 1 dead" in output
    assert "149 of 149 webhooks" in output
    assert "100 of 100 mails" in output
    assert "120 of 120 thumbnails" in output
    assert re.search(r"kill -9: +worker \S+ died and left [1-9]\d* jobs; they ran again", output)
    assert re.search(r"Dead letter: +webhook.deliver \w+, [1-4] attempts\n.*answered 410", output)
    assert len(list((own_folder / DEMO / "thumbnails").glob("*.webp"))) == 120
    assert "220 committed, 20 rolled back" in output
    assert re.search(r"the relay died; [1-9]\d+ jobs waited", output)
    assert re.search(r"Redis forgot [1-9]\d* jobs of orders; [1-9]\d* were put back", output)
    assert "220 charges and 220 parcels for 220 orders" in output
    assert eventually(lambda: all(is_gone(pid) for pid in workers_of(own_folder)))


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_whatever_stops_it_leaves_no_process_behind(own_folder: Path, end: signal.Signals) -> None:
    with demo_in(own_folder) as demo:
        read_until(demo.stdout, "jobs are enqueued")
        assert eventually(lambda: len(workers_of(own_folder)) == 2)
        processes = [*workers_of(own_folder), postgres_of(own_folder)]
        demo.send_signal(end)
        code = demo.wait(END_SECONDS)
    assert code == (-end if end is signal.SIGKILL else 128 + end)
    assert eventually(lambda: all(is_gone(pid) for pid in processes))
    assert eventually(lambda: is_free(own_folder / DEMO / "valkey"))


def test_a_second_one_in_the_same_folder_is_refused(own_folder: Path) -> None:
    with demo_in(own_folder) as demo:
        read_until(demo.stdout, "the stack is up")
        with demo_in(own_folder) as second:
            output, _ = second.communicate()
        assert second.returncode == 1
        assert "another demo runs" in output
        assert demo.poll() is None
        demo.send_signal(signal.SIGINT)
        assert demo.wait(END_SECONDS) == 130
