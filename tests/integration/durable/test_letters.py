"""Durable jobs that die are dead letters like others, and live again with their replay."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from monarq.jobs import JobContext, job
from monarq.jobs.settings import Settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.dead_letters import DeadLetters, open_dead_letters
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.archive import Archive
from tests.integration.letters.graveyard import AT_ONCE
from tests.integration.worker.deadlines import eventually

from .stage import QUEUE, Books, Put, Serve


class Mend:
    """Whether the cause is mended."""

    is_broken = True


@job("mortal", max_attempts=1, durable=True)
async def mortal(ctx: JobContext) -> str:
    if Mend.is_broken:
        raise ValueError("no")
    return "done"


class Yard:
    """The letters, and a way to let the jobs die."""

    def __init__(self, link: Link, letters: DeadLetters, archive: Archive) -> None:
        self.link, self.letters, self._archive = link, letters, archive

    async def bury(self, serve: Serve, put: Put, *, moved: bool) -> str:
        Mend.is_broken = True
        async with serve(mortal):
            [handle] = await put(mortal.of())
            await eventually(self._has_letter)
        if moved:
            assert await self._archive.move_all(QUEUE, older_than=AT_ONCE) == 1
        Mend.is_broken = False
        job_id: str = handle.job_id
        return job_id

    async def _has_letter(self) -> bool:
        return await self.letters.count() == 1


@pytest.fixture
async def yard(settings: Settings) -> AsyncIterator[Yard]:
    link, database = Link(from_url(settings.redis_url.get_secret_value())), open_database(settings)
    yield Yard(link, open_dead_letters(link, database), Archive(link, database, keep=timedelta(days=1)))
    await database.close()
    await link.close()


@pytest.mark.parametrize("moved", [True, False])
async def test_a_replayed_durable_job_runs_and_ends_anew(
    yard: Yard, serve: Serve, put: Put, books: Books, moved: bool
) -> None:
    job_id = await yard.bury(serve, put, moved=moved)
    assert await books.state(job_id) == "dead"
    async with serve(mortal):  # it must not be quicker than the replay
        assert await yard.letters.replay([job_id]) == [True]
        await eventually(lambda: _is(books, job_id, "succeeded"))
    assert (await books.row(job_id)).fence == 2
    assert await yard.letters.count() == 0


async def test_a_durable_job_that_dies_again_is_a_letter_again(
    yard: Yard, serve: Serve, put: Put, books: Books
) -> None:
    job_id = await yard.bury(serve, put, moved=True)
    Mend.is_broken = True
    async with serve(mortal):
        assert await yard.letters.replay([job_id]) == [True]
        await eventually(lambda: _is(books, job_id, "dead"))
        await eventually(yard._has_letter)
    letter = await yard.letters.show(job_id)
    assert letter is not None
    assert len(letter.failures) == 2


async def test_an_end_that_is_still_kept_does_not_end_the_replayed_job(
    yard: Yard, serve: Serve, put: Put, books: Books, client: Redis
) -> None:
    """PostgreSQL was away when the job died, and has not been told since."""
    job_id = await yard.bury(serve, put, moved=True)
    row = await books.row(job_id)
    kept = {"id": job_id, "fence": f"{row.worker}:1", "verb": "dead", "ms": 1, "result": "", "failure": ""}
    await client.rpush(QUEUE.ends, json.dumps(kept))
    await books.fetch("UPDATE monarq.durable_jobs SET state = NULL, ended_at = NULL")
    assert await yard.letters.replay([job_id]) == [True]
    async with serve(mortal):
        await eventually(lambda: _is(books, job_id, "succeeded"))


async def test_a_durable_job_that_is_forgotten_is_written_anew_by_its_replay(
    yard: Yard, serve: Serve, put: Put, books: Books
) -> None:
    job_id = await yard.bury(serve, put, moved=True)
    await books.fetch("DELETE FROM monarq.durable_jobs")
    assert await yard.letters.replay([job_id]) == [True]
    async with serve(mortal):
        await eventually(lambda: _is(books, job_id, "succeeded"))


async def _is(books: Books, job_id: str, state: str) -> bool:
    return await books.state(job_id) == state
