"""Runs the blocks of one page, in order, in the current folder: python -m tests.docs.run_page docs/page.md

Python blocks share one namespace and may `await`, as in `python -m asyncio`; shell blocks share one bash.
"""

import ast
import asyncio
import inspect
import linecache
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any, Self

import redis

from monarq.jobs.store.keys import WORKER
from tests.docs.pages import Block, blocks

_END = "--- end of block"
#: Seconds; plenty, since other tests may keep the machine busy.
_WORKER_STARTS_WITHIN = 100.0


class Shell:
    """One bash for all blocks of a page, so that variables outlive their block."""

    def __enter__(self) -> Self:
        command = ["bash", "--norc", "--noprofile"]
        self._bash = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._bash.stdin is not None
        if self._bash.poll() is None:
            self._bash.stdin.write("kill $(jobs -p) 2> /dev/null; wait\n")
        self._bash.stdin.close()
        self._bash.wait(30)

    def run(self, text: str, *, may_fail: bool = False) -> None:
        """Run the lines; those that start a server or a worker go to the background."""
        self._feed("set +e" if may_fail else "set -e")
        for line in text.splitlines():
            starts = line.startswith(("monarq dev", "monarq worker")) and "--burst" not in line
            self._feed(f"{line} >> background.log 2>&1 &" if starts else line)
            if starts:
                _wait_for_worker()
        self._feed(f"set +e; echo; echo '{_END}'; env -0; echo; echo '{_END}'")
        print(self._read())
        for pair in self._read().split("\0"):
            name, _, value = pair.partition("=")
            if name.startswith("MONARQ_"):
                os.environ[name] = value

    def _feed(self, line: str) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.write(line + "\n")
        self._bash.stdin.flush()

    def _read(self) -> str:
        assert self._bash.stdout is not None
        lines = []
        for line in self._bash.stdout:
            if line == f"{_END}\n":
                return "".join(lines)
            lines.append(line)
        raise SystemExit("".join(lines) + "a command of the block failed")


def _wait_for_worker() -> None:
    """Until a worker has reported itself; `monarq dev` has written down where its Valkey is."""
    deadline = time.monotonic() + _WORKER_STARTS_WITHIN
    recorded = Path(".monarq/url")
    while time.monotonic() < deadline:
        with suppress(redis.ConnectionError, ValueError):  # not there yet, or half written
            url = recorded.read_text() if recorded.exists() else os.environ["MONARQ_REDIS_URL"]
            with redis.Redis.from_url(url) as client:
                if client.keys(f"{WORKER}*"):
                    return
        time.sleep(0.05)
    raise SystemExit("no worker has started")


def run_page(page: Path) -> None:
    """Run all blocks; whatever goes wrong ends the process."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    sys.path.insert(0, os.getcwd())
    with Shell() as shell, asyncio.Runner() as runner:
        for block in blocks(page):
            print(f"=== {page.name}:{block.line} {block.language} {block.directive}", flush=True)
            if block.directive == "background":
                shell.run(block.detail)
            if block.directive == "skip":
                continue
            if block.language == "sh":
                shell.run(block.text, may_fail=block.directive == "may fail")
            elif block.file_name is not None:
                Path(block.file_name).write_text(block.text)
            elif block.language == "python":
                _execute(_compile(block, page), namespace, runner)


def _compile(block: Block, page: Path) -> CodeType:
    text = "\n" * block.line + block.text  # so that a traceback names the page's own lines
    linecache.cache[str(page)] = (len(text), None, text.splitlines(keepends=True), str(page))
    return compile(text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def _execute(code: CodeType, namespace: dict[str, Any], runner: asyncio.Runner) -> None:
    ended = eval(code, namespace)
    if inspect.iscoroutine(ended):
        runner.run(ended)


if __name__ == "__main__":
    run_page(Path(sys.argv[1]))
