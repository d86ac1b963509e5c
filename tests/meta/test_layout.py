"""Where things stand in the repository, and that one package comes of it."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import monarq

from .repository import ROOMS, ROOT

TOP_LEVEL = (
    *ROOMS,
    "tests",
    "docs",
    "docs/adr",
    "docs/journey.md",
    "benchmarks",
    "monarq/py.typed",
    "Procfile",
    "Makefile",
    "pyproject.toml",
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "LICENSE",
    ".ci/run",
)


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_the_top_level_holds(name: str) -> None:
    assert (ROOT / name).exists()


@pytest.mark.parametrize("room", ROOMS)
def test_the_room_is_a_relative_link_in_the_package(room: str) -> None:
    link = ROOT / "monarq" / room
    assert link.is_symlink()
    assert link.readlink() == Path("..") / room


def test_the_package_folder_holds_nothing_else() -> None:
    names = {path.name for path in (ROOT / "monarq").iterdir()} - {"__pycache__"}
    assert names == {*ROOMS, "__init__.py", "py.typed"}


def test_the_package_and_the_project_name_the_same_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert monarq.__version__ == project["version"]


def test_the_lock_files_name_no_address() -> None:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert [lock.name for lock in locks] == ["build.txt", "dev.txt"]
    assert [lock.name for lock in locks if "://" in lock.read_text(encoding="utf-8")] == []


def test_the_wheel_holds_every_file_of_the_rooms(tmp_path: Path) -> None:
    held = set(zipfile.ZipFile(_build_wheel(tmp_path)).namelist())
    wanted = {"monarq/__init__.py", "monarq/py.typed"} | {
        f"monarq/{path.relative_to(ROOT).as_posix()}"
        for room in ROOMS
        for kind in ("*.py", "*.lua", "*.sql", "*.html", "*.css", "*.js", "*.svg", "VENDORED.txt")
        for path in (ROOT / room).rglob(kind)
    }
    assert wanted - held == set()
    assert {name.partition("/")[0] for name in held} == {"monarq", f"monarq-{monarq.__version__}.dist-info"}


def _build_wheel(into: Path) -> Path:
    """Build from a copy, so that the repository gets no build folder that a later wheel would pick up."""
    copy = into / "copy"
    copy.mkdir()
    names = [*ROOMS, "monarq", "pyproject.toml", "README.md", "LICENSE"]
    subprocess.run(["cp", "-a", *(str(ROOT / name) for name in names), str(copy)], check=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(into), str(copy)], check=True)
    return next(into.glob("*.whl"))
