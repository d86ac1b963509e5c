"""The privileges that the guide gives are enough, and no more than that."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from monarq import job
from monarq.jobs.settings import Settings
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.migrating import migrate
from monarq.producer import Producer
from tests.meta.repository import ROOT
from tests.postgres import PostgresServer

GUIDE = Path(ROOT) / "docs" / "guides" / "operate-postgres.md"


@dataclass
class Guided:
    """A database, set up as the guide says."""

    admin_url: str
    #: As its roles are called here: one server serves all tests.
    suffix: str

    def url_as(self, role: str) -> str:
        return self.admin_url.replace("//postgres@", f"//{role}{self.suffix}@")

    async def run(self, url: str, statements: str) -> None:
        connection = await asyncpg.connect(url)
        name = self.admin_url.rpartition("/")[2]
        statements = statements.replace("DATABASE app", f"DATABASE {name}")
        await connection.execute(
            re.sub(r"\b(ROLE|TO) (monarq|web|analyst)\b", rf"\1 \2{self.suffix}", statements)
        )
        await connection.close()


@pytest.fixture
def guided(postgres: PostgresServer) -> Guided:
    url = postgres.new_database(migrated=False)
    return Guided(url, f"_{os.urandom(4).hex()}")


@pytest.fixture
async def granted(guided: Guided) -> Guided:
    before, after = _statements()
    await guided.run(guided.admin_url, before)
    await guided.run(guided.admin_url, "CREATE ROLE web LOGIN; CREATE ROLE analyst LOGIN;")
    await migrate(Settings(database_url=guided.url_as("monarq")))
    await guided.run(guided.url_as("monarq"), after)
    return guided


def _statements() -> Iterator[str]:
    section = GUIDE.read_text().partition("## Privileges")[2].partition("\n## ")[0]
    yield from re.findall(r"```text\n(.*?)```", section, re.DOTALL)


@job("privileges.kept", durable=True)
async def kept(ctx: object) -> None:
    return None


async def test_an_app_that_only_enqueues_can_do_that(granted: Guided) -> None:
    url = granted.url_as("web")
    connection = await asyncpg.connect(url)
    async with Producer.connect(settings=Settings(database_url=url)) as producer:
        async with connection.transaction():
            first = await producer.enqueue(kept.of(), connection=connection, job_id="one")
        again = await producer.enqueue(kept.of(), job_id="one")
    assert (first.created, again.created) == (True, False)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("DELETE FROM monarq.outbox")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SELECT * FROM monarq.dead_letters")
    await connection.close()


async def test_the_owner_can_do_what_workers_do(granted: Guided) -> None:
    database = Database(Settings(database_url=granted.url_as("monarq")))
    async with database.unit() as unit:
        assert (await unit.outbox.depth()).waiting == 0
        await unit.commit()
    await database.close()


async def test_an_analyst_reads_the_history_and_nothing_else(granted: Guided) -> None:
    connection = await asyncpg.connect(granted.url_as("analyst"))
    assert await connection.fetch("SELECT * FROM monarq.jobs") == []
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SELECT * FROM monarq.durable_jobs")
    await connection.close()
