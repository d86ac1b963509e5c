"""The repository as the meta tests see it: its rooms, their files and the functions in them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("jobs", "producer", "worker", "dashboard")
PACKAGES = (*ROOMS, "benchmarks", "demo")


@dataclass(frozen=True)
class Function:
    """One function or method; `lines` counts from `def` to its end, its docstring left out."""

    place: str
    lines: int


def sources(*folders: str) -> list[Path]:
    """Every Python file of the folders that exist, environments of the benchmarks left out."""
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=shown(path))


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(f"{shown(path)}:{node.lineno} {node.name}", _lines_without_docstring(node))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the absolute module of every import; relative imports are left out."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


def _lines_without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is None:
        return length
    docstring = node.body[0]
    return length - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)
