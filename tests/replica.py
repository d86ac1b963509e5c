"""A real replica of a PostgreSQL of the tests."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monarq.worker.dev.postgres import EmbeddedPostgres, package_binaries
from monarq.worker.dev.server_user import let_in, run_options
from tests.postgres import _FAST, PostgresServer, run_sql
from tests.servers import free_port


class PostgresReplica:
    """Copies a server, and then follows it until it is stopped."""

    def __init__(self, primary: PostgresServer) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="monarq-tests-"))
        # what a replica may have must be no less than what its primary has
        self._server = EmbeddedPostgres(self.directory / "pg", free_port(), options=_FAST)
        self._copy(primary)
        self._server.start()

    def url_of(self, url: str) -> str:
        """The same database here as `url` is on the primary."""
        return self._server.url_of(url.rpartition("/")[2])

    def execute(self, statement: str) -> None:
        """Run one statement as the superuser."""
        run_sql(self._server.url, statement)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._server.kill()

    def freeze(self) -> None:
        """Let none of its processes go on."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._server.is_running:
            self.thaw()
        self._server.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _copy(self, primary: PostgresServer) -> None:
        binaries = package_binaries()
        folder = self.directory / "pg"
        folder.mkdir()
        let_in(folder, binaries, folder / "data")
        command = [
            str(binaries / "pg_basebackup"),
            *("--host", "127.0.0.1", "--port", str(primary.port), "--username", "postgres"),
            *("--pgdata", str(folder / "data"), "--write-recovery-conf", "--checkpoint", "fast", "--no-sync"),
        ]
        subprocess.run(command, cwd=folder, check=True, **run_options(folder / "data"))

    def _signal(self, number: signal.Signals) -> None:
        """Every process: each backend is one of its own, in the group or session of the first."""
        assert self._server._process is not None
        first = self._server._process.pid
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (int(entry.name) == first or _parent_of(entry) == first):
                os.kill(int(entry.name), number)


def _parent_of(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended meanwhile
        return 0


@contextmanager
def replica_of(primary: PostgresServer) -> Iterator[PostgresReplica]:
    """A replica for as long as the block runs."""
    replica = PostgresReplica(primary)
    try:
        yield replica
    finally:
        replica.stop()
