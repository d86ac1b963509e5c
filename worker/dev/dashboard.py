"""The dashboard of `monarq dev`: a process of its own, which prints an address that logs the developer in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from pydantic_core import to_json

from monarq.jobs.errors import ConfigError

from .child import Child
from .valkey import free_port, is_free

NAME = "dashboard"
_PORT = 8080
#: Who is logged in by that address: an admin, where there is no such user yet.
_USER = "dev"
_PACKAGES = ("argon2", "fastapi", "jinja2", "jwt", "limits", "multipart", "uvicorn")
_LOGIN = "/login/"
_PREFIX = "MONARQ_DASHBOARD_"


class Dashboard:
    """Where it will be, and how it is started.

    Args:
        directory: The address that logs in is kept there, for its owner to read: in the file `dashboard`.
        port: Where it is to listen; None: at 8080, or if that is taken, wherever nobody does.

    Raises:
        ConfigError: The port is taken.
    """

    def __init__(self, directory: Path, port: int | None) -> None:
        if port is not None and not is_free(port):
            raise ConfigError([f"port {port} is taken; name another: --dashboard-port"])
        self.port = port or (_PORT if is_free(_PORT) else free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self._file = directory / "dashboard"

    def child(self, environ: Mapping[str, str | None], say: Callable[[str], None]) -> Child:
        """The process; `environ` names its servers."""
        self._file.unlink(missing_ok=True)
        own = {
            "HOST": None,
            "PORT": None,
            "URL": None,
            "ENVIRONMENT": os.environ.get(_PREFIX + "ENVIRONMENT", "dev"),
        }
        users, login = self._users(environ)
        settings = {_PREFIX + name: value for name, value in (own | users).items()}
        command = [sys.executable, "-m", "monarq.jobs.cli", "dashboard", "--port", str(self.port)]
        command += ["--login", _USER] if login else []
        return Child(command, environ={**environ, **settings}, on_line=lambda line: say(self._noted(line)))

    def _users(self, environ: Mapping[str, str | None]) -> tuple[dict[str, str | None], bool]:
        """Further settings, and whether the developer can be logged in by an address."""
        if environ.get("MONARQ_DATABASE_URL"):
            return {}, True
        if {_PREFIX + "USERS", _PREFIX + "USERS_FILE"} & os.environ.keys():
            return {}, False  # who has named users can log in as one of them
        # no password fits this one
        user = {"password": "", "grants": [{"role": "admin"}]}
        return {"USERS": to_json({_USER: user}).decode()}, True

    def _noted(self, line: str) -> str:
        """The line; an address in it that logs in is written down before."""
        _, found, _ = line.partition(_LOGIN)
        if found:
            with suppress(OSError):
                self._file.touch(mode=0o600)
                self._file.write_text(line.split()[-1])
        return line


def has_packages() -> bool:
    """Whether all that it needs is installed."""
    return all(find_spec(name) is not None for name in _PACKAGES)
