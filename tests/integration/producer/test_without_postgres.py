"""What a plain installation can do, which has no package for PostgreSQL."""

import os
import subprocess
import sys

import pytest

from tests.servers import free_port

#: To import one of them fails as if it were not installed.
_WITHOUT = "import sys; sys.modules.update(dict.fromkeys(('asyncpg', 'alembic', 'greenlet', 'sqlalchemy')));"

_ENQUEUE = """
import asyncio
from monarq import JobContext, NoDatabase, Producer, job

@job("plain")
async def plain(ctx: JobContext) -> None: ...

@job("kept", durable=True)
async def kept(ctx: JobContext) -> None: ...

async def main() -> None:
    async with Producer.connect() as producer:
        print((await producer.enqueue(plain.of())).created)
        print([handle.created for handle in await producer.enqueue_many([plain.of(), plain.of()])])
        for asking in (producer.enqueue(kept.of()), producer.enqueue_many([plain.of(), kept.of()])):
            try:
                await asking
            except NoDatabase as error:
                print(error.code)

asyncio.run(main())
"""


def python(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"{_WITHOUT}\n{code}"],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=50,
    )


def test_jobs_are_enqueued_one_or_many_and_a_durable_one_says_what_it_needs(redis_url: str) -> None:
    done = python(_ENQUEUE, MONARQ_REDIS_URL=redis_url)
    assert done.stdout.splitlines() == ["True", "[True, True]", "no_database", "no_database"], done.stderr


@pytest.mark.parametrize("command", ["audit", "jobs", "migrate", "outbox show", "relay", "schedules"])
def test_a_command_that_needs_the_packages_says_what_to_install(redis_url: str, command: str) -> None:
    code = f"from monarq.jobs.cli.app import run; raise SystemExit(run({command.split()!r}))"
    nobody = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    done = python(code, MONARQ_REDIS_URL=redis_url, MONARQ_DATABASE_URL=nobody)
    assert (done.returncode, done.stdout) == (78, "")
    assert "pip install 'monarq[postgres]'" in done.stderr
