"""An environment of its own for each peer, made once and again whenever its pinned requirements change."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

BENCHMARKS = Path(__file__).parent
ENVIRONMENTS = BENCHMARKS / ".envs"
INSTALL_TIMEOUT = 600


class NotInstalled(Exception):
    """A peer's packages could not be installed here."""


def pins(peer: str) -> Path:
    """The file that names the peer's packages and versions."""
    directory = BENCHMARKS / "peers" / peer
    node = directory / "package.json"
    return node if node.exists() else directory / "requirements.txt"


def interpreter_of(peer: str) -> str:
    """The interpreter that runs the peer's adapter; its environment is made if need be.

    Raises:
        NotInstalled: The packages could not be installed; the text is the end of what the installer said.
    """
    node = pins(peer).suffix == ".json"
    directory = ENVIRONMENTS / peer
    wanted = hashlib.sha256(pins(peer).read_bytes() + sys.version.encode()).hexdigest()
    stamp = directory / "installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(directory, ignore_errors=True)
        (install_node if node else install_python)(peer, directory)
        stamp.write_text(wanted)
    return "node" if node else str(directory / "bin" / "python")


def install_python(peer: str, directory: Path) -> None:
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    _run([str(python), "-m", "pip", "install", "--quiet", "-r", str(pins(peer))], directory)


def install_node(peer: str, directory: Path) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise NotInstalled("needs node and npm")
    directory.mkdir(parents=True)
    shutil.copy(pins(peer), directory)
    _run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], directory)


def _run(command: list[str], directory: Path) -> None:
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=INSTALL_TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"took more than {INSTALL_TIMEOUT} s") from error
    if done.returncode:
        raise NotInstalled(done.stderr.strip()[-300:])


def variables(peer: str) -> dict[str, str]:
    """The environment variables that the peer's processes get."""
    modules = ENVIRONMENTS / peer / "node_modules"
    return {**os.environ, "PYTHONWARNINGS": "ignore", "NODE_PATH": str(modules), "NODE_ENV": "production"}


def version_of(peer: str, package: str) -> str:
    """The pinned version of the peer itself."""
    if pins(peer).suffix == ".json":
        version: str = json.loads(pins(peer).read_text())["dependencies"][package]
        return version
    for line in pins(peer).read_text().splitlines():
        name, _, version = line.partition("==")
        if name.lower() == package:
            return version.strip()
    return "?"
