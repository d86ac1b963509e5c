"""PgBouncer before a PostgreSQL, in transaction mode: Debian's package, where it is installed."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers import START_SECONDS, ServerDied, free_port

#: It refuses to run as root.
_USER = "nobody"
_CONFIG = """\
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 200
unix_socket_dir =
"""


def find_pgbouncer() -> Path | None:
    """The installed PgBouncer, or None: no wheel brings it."""
    found = shutil.which("pgbouncer", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))
    return Path(found) if found else None


@contextmanager
def pgbouncer(url: str, *, pool_size: int) -> Iterator[str]:
    """The address at which the database of `url` is reached through it.

    `pool_size` is the number of connections to the server that all clients share.
    """
    binary = find_pgbouncer()
    assert binary is not None
    parts, own_port = urlsplit(url), free_port()
    with tempfile.TemporaryDirectory(prefix="monarq-tests-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        config, log = folder / "pgbouncer.ini", folder / "pgbouncer.log"
        config.write_text(
            _CONFIG.format(
                host=parts.hostname,
                port=parts.port,
                user=parts.username,
                own_port=own_port,
                pool_size=pool_size,
            )
        )
        identity = {"user": _USER} if os.geteuid() == 0 else {}
        with log.open("wb") as stream:
            process = subprocess.Popen([binary, config], stdout=stream, stderr=stream, cwd="/", **identity)  # type: ignore[call-overload]
        try:
            _wait_until_it_serves(process, own_port, log)
            yield f"postgresql://{parts.username}@127.0.0.1:{own_port}{parts.path}"
        finally:
            process.terminate()
            process.wait()


def _wait_until_it_serves(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServerDied(log.read_text(errors="replace")[-2000:]) from None
            time.sleep(0.01)
