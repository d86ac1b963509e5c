"""A whole Monarq for the browser: Valkey, PostgreSQL, `monarq dashboard`, workers when a test wants them."""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import psycopg
import redis

from monarq import SyncProducer
from monarq.dashboard.access.grants import GRANTS
from monarq.dashboard.auth.passwords import hash_password
from monarq.dashboard.auth.secrets import new_token
from monarq.dashboard.auth.sessions import Sessions
from monarq.dashboard.directory.directory import NewToken, User
from monarq.dashboard.services.services import directory_of
from monarq.dashboard.settings import DashboardSettings
from monarq.jobs.identity import new_job_id
from monarq.jobs.settings import Settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.clock import moment_of, server_ms
from monarq.jobs.store.connection import Link
from monarq.jobs.store.postgres import open_database_if_named
from tests.integration.cli.stage import Running, Stage, eventually
from tests.servers import ValkeyServer, free_port

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
#: Where the same app is when it is mounted below a path.
PREFIX = "/a/b"
_HASH = hash_password(PASSWORD)
_MUCH = "10000000"
_DAY_MS = 24 * 3600 * 1000
_numbers = count(1)

T = TypeVar("T")


def apart(work: Callable[..., T], *arguments: Any) -> T:
    """Call this in a thread of its own: in ours the browser's event loop runs, and no other can."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work, *arguments).result()


class Stack:
    """Servers, a dashboard over them, and workers that are started by hand.

    Args:
        folder: The app's folder, where workers run and keep their logs.
        database_url: None: nothing has a PostgreSQL.
        environ: Further settings of all processes.
    """

    def __init__(self, folder: Path, database_url: str | None, **environ: str) -> None:
        self.folder = folder
        self.valkey = ValkeyServer(appendonly=True)
        self.database_url = database_url
        self.url = f"http://127.0.0.1:{free_port()}"
        self._environ = environ
        self._workers: list[Running] = []

    def __enter__(self) -> Self:
        self.valkey.start()
        self.settings = Settings(redis_url=self.valkey.url, database_url=self.database_url)
        self.stage = Stage(self.folder, self.valkey.url)
        self.stage.environ |= {
            "PYTHONPATH": str(ROOT),
            "MONARQ_JOBS": "tests.browser.shop",
            "MONARQ_DASHBOARD_READS_PER_MINUTE": _MUCH,
            "MONARQ_DASHBOARD_WRITES_PER_MINUTE": _MUCH,
            "MONARQ_DASHBOARD_ENQUEUES_PER_MINUTE": _MUCH,
            **({} if self.database_url is None else {"MONARQ_DATABASE_URL": self.database_url}),
            **self._environ,
        }
        self.producer = SyncProducer.connect(settings=self.settings)
        self.dashboard = self.start_dashboard(self.url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.producer.close()
        (self.folder / "released").touch()  # jobs that hold a worker up
        self.stage.clear()
        self.valkey.stop()

    def start_dashboard(self, url: str, **environ: str) -> Running:
        """A dashboard (one more, if there is one) that answers at this address."""
        port = url.rpartition(":")[2]
        running = self.stage.start("dashboard", "--port", port, **environ).says("monarq dashboard:")
        return self._answering(running, f"{url}/livez")

    def start_mounted(self) -> str:
        """The same app, mounted below `PREFIX` of another one, in a process of its own; its address."""
        url = f"http://127.0.0.1:{free_port()}"
        command = ["-m", "tests.browser.mounted", url.rpartition(":")[2]]
        self._answering(self.stage.start(*command, program=sys.executable), f"{url}{PREFIX}/livez")
        return f"{url}{PREFIX}"

    def worker(self, *options: str, queues: str = "default,mail,payments,stock,reports") -> Running:
        """A worker of the shop; it has reported itself when this returns."""
        running = self.stage.start("worker", "--queues", queues, *options)
        self._workers.append(running)
        return running.says("worker.started")

    def stop_workers(self) -> None:
        """Stop the workers, and wait for their end; no job holds them up."""
        released = self.folder / "released"
        released.touch()
        for running in self._workers:
            running.process.terminate()
        for running in self._workers:
            running.ends()
        self._workers.clear()
        released.unlink()

    def empty(self) -> None:
        """Forget all jobs, logins, users and tokens, in both stores.  Workers must have been stopped."""
        with redis.Redis.from_url(self.valkey.url) as client:
            client.flushall()
        self.producer.close()
        # another one: this one remembers which queues are known
        self.producer = SyncProducer.connect(settings=self.settings)
        (self.folder / "mended").unlink(missing_ok=True)
        if self.database_url is None:
            return
        found = self.sql("SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
                         "WHERE nspname = 'monarq' AND relkind IN ('r', 'p') AND NOT relispartition "
                         "AND relname NOT LIKE '%version%'")  # fmt: skip
        self.sql(f"TRUNCATE {', '.join(f'monarq.{name}' for (name,) in found)} CASCADE")

    def sql(self, statement: str, *arguments: Any) -> list[Any]:
        """Run one statement; its rows."""
        assert self.database_url is not None
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement, arguments or None)  # type: ignore[call-overload]
            return list(cursor.fetchall()) if cursor.description else []

    def login(self, *grants: dict[str, Any], name: str | None = None) -> str:
        """A new user with these grants, logged in: what their browser shows."""
        return apart(asyncio.run, self._login(grants, name or f"user-{next(_numbers)}"))

    def token(self, *grants: dict[str, Any]) -> str:
        """A new API token."""
        return apart(asyncio.run, self._token(grants))

    def api(self, *grants: dict[str, Any]) -> httpx.Client:
        """A program that asks the HTTP API; close it after use."""
        headers = {"authorization": f"Bearer {self.token(*(grants or ({'role': 'admin'},)))}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def wait(self, check: Callable[[], Any]) -> Any:
        """The first true answer."""
        return eventually(check)

    def _answering(self, running: Running, url: str) -> Running:
        def answers() -> bool:
            assert running.process.poll() is None, running.output
            try:
                return httpx.get(url).status_code == 200
            except httpx.TransportError:
                return False

        eventually(answers)
        return running

    async def _login(self, grants: tuple[dict[str, Any], ...], name: str) -> str:
        database = open_database_if_named(self.settings)
        link = Link(from_url(self.valkey.url))
        own = DashboardSettings()
        user = User(
            id=new_job_id(),
            name=name,
            grants=GRANTS.validate_python(grants),
            password_hash=_HASH,
            created_by="test",
        )
        assert await directory_of(database, own).add_user(user) is not None
        sessions = Sessions(link, idle=own.session_idle, lifetime=own.session_lifetime)
        secret, _ = await sessions.begin(user.id, address="127.0.0.1", agent="a test")
        await link.close()
        if database is not None:
            await database.close()
        return secret

    async def _token(self, grants: tuple[dict[str, Any], ...]) -> str:
        database = open_database_if_named(self.settings)
        link = Link(from_url(self.valkey.url))
        secret, digest, hint = new_token()
        token = NewToken(
            id=new_job_id(),
            name=f"token-{next(_numbers)}",
            digest=digest,
            hint=hint,
            grants=GRANTS.validate_python(grants),
            expires_at=moment_of(await server_ms(link) + _DAY_MS),
            owner_id=None,
            created_by="test",
        )
        await directory_of(database, DashboardSettings()).add_token(token)
        await link.close()
        if database is not None:
            await database.close()
        return secret
