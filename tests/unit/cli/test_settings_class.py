"""arq-style settings classes, and what the command line makes of them."""

from pathlib import Path
from typing import Any

import pytest

from monarq.jobs.cli.session import load_handlers
from monarq.jobs.errors import ConfigError, DefinitionError
from monarq.jobs.settings import load_settings
from monarq.worker import Worker, create_worker
from monarq.worker.cli import make_worker

APP = """
from monarq import job

@job("add")
async def add(ctx, a: int) -> int:
    return a

class WorkerSettings:
    functions = [add]
    max_jobs = 7
    job_timeout = 5
    not_an_option = 1

class Served(WorkerSettings):
    queue_name = "freely"

class Empty:
    pass

number = 1
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module in the current folder."""
    name = f"app_of_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


async def arq_function(ctx: dict[Any, Any]) -> None:
    """A function of arq's."""


def test_create_worker_takes_arqs_classes_and_keyword_arguments_win() -> None:
    class WorkerSettings:
        functions = [arq_function]
        max_jobs = 7
        queue_name = "freely"

    worker = create_worker(WorkerSettings, max_jobs=8)
    assert isinstance(worker, Worker)
    assert (worker.max_jobs, worker.queue_name) == (8, "freely")


def test_create_worker_takes_a_dict_as_arq_does() -> None:
    assert create_worker({"functions": [arq_function], "max_jobs": 3, "other": 1}).max_jobs == 3


@pytest.mark.parametrize("separator", [".", ":"])
def test_a_settings_class_is_found_by_its_dotted_path(app: str, separator: str) -> None:
    worker = make_worker(load_settings(), f"{app}{separator}WorkerSettings")
    assert worker.max_jobs == 7
    assert set(worker.functions) == {"add"}


def test_options_of_the_command_line_win_over_the_class(app: str) -> None:
    assert make_worker(load_settings(), f"{app}.WorkerSettings", max_jobs=2).max_jobs == 2


def test_modules_add_to_the_functions_of_the_class(app: str) -> None:
    settings = load_settings(jobs="monarq.jobs.catalog")
    worker = make_worker(settings, f"{app}.WorkerSettings")
    assert {"add", "email.send"} <= set(worker.functions)


@pytest.mark.parametrize("path", ["{}.Nope", "{}.number", "NoModule", "no.such.module.Class"])
def test_a_path_that_leads_to_no_class_says_so(app: str, path: str) -> None:
    with pytest.raises(DefinitionError):
        make_worker(load_settings(), path.format(app))


def test_a_worker_without_jobs_says_how_to_name_them(app: str) -> None:
    for settings_class in (None, f"{app}.Empty"):
        with pytest.raises(ConfigError, match="MONARQ_JOBS"):
            make_worker(load_settings(), settings_class)


def test_what_an_apps_module_raises_is_one_line_with_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaking_app.py").write_text("x = 1\nx / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DefinitionError, match=r"ZeroDivisionError.*breaking_app\.py, line 2"):
        load_handlers(["breaking_app"])
