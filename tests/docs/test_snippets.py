"""Every page's code runs, in order, as a reader would run it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from .pages import LANGUAGES, ROOT, Block, blocks, pages

#: Seconds.
LONGEST_PAGE = 200.0
PAGES_WITH_CODE = [page for page in pages() if any(block.language in LANGUAGES for block in blocks(page))]
PAGES_THAT_RUN = [
    page
    for page in PAGES_WITH_CODE
    if any(block.language in LANGUAGES and block.directive != "skip" for block in blocks(page))
]


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES_THAT_RUN, ids=_name)
def test_the_code_of_a_page_runs_as_written(
    page: Path, redis_url: str, own_folder: Path, request: pytest.FixtureRequest
) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MONARQ_")}
    environ["MONARQ_REDIS_URL"] = redis_url
    if any("monarq migrate" in block.text for block in blocks(page) if block.language == "sh"):
        server = request.getfixturevalue("postgres")
        environ["MONARQ_DATABASE_URL"] = server.new_database(migrated=False)
    environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
    environ["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "tests.docs.run_page", str(page)]
    code, output = _run(command, cwd=own_folder, env=environ)
    assert code == 0, f"{output}\n{_log_of(own_folder)}"


@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=_name)
def test_a_block_that_is_not_run_says_why(page: Path) -> None:
    skipped = [block for block in blocks(page) if block.directive == "skip"]
    assert [block.line for block in skipped if not block.detail] == []


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_every_block_names_a_language_that_is_known(page: Path) -> None:
    known = {*LANGUAGES, "text", "mermaid", "ini", "toml", "json", "yaml"}
    assert [f"line {block.line}: {block.language!r}" for block in blocks(page) if _is_odd(block, known)] == []


def _run(command: list[str], **options: Any) -> tuple[int, str]:
    """In a process group of its own, so that a page that hangs leaves no worker behind."""
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, start_new_session=True, **streams, **options) as process:
        alarm = threading.Timer(LONGEST_PAGE, os.killpg, (process.pid, signal.SIGKILL))
        alarm.start()
        output, _ = process.communicate()
        alarm.cancel()
    return process.returncode, output


def _is_odd(block: Block, known: set[str]) -> bool:
    return block.language not in known


def _log_of(folder: Path) -> str:
    log = folder / "background.log"
    return log.read_text(errors="replace")[-4000:] if log.exists() else ""
