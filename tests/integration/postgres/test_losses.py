"""A Redis that has lost data, or went back, is seen; one that has not is left in peace."""

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from monarq.jobs.errors import StoreUnavailable
from monarq.jobs.store.epoch import beat, read_mark
from monarq.jobs.store.execute import execute
from monarq.jobs.store.keys import EPOCH
from monarq.jobs.store.postgres import loss_watch, rebuild
from monarq.jobs.store.postgres.rebuild import LostAgain, Rebuild
from monarq.jobs.store.postgres.reconciling import Restored
from tests.integration.worker.deadlines import eventually
from tests.servers import ValkeyServer

from .rows import Pair, many, open_pair


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    """A Valkey of the test's own, which keeps nothing but what a test copies."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture
async def pair(server: ValkeyServer, database_url: str) -> AsyncIterator[Pair]:
    """Both know each other."""
    async with open_pair(server.url, database_url) as opened:
        await opened.reconciler.restore()
        assert await opened.watch.look() is None
        yield opened


async def beaten(pair: Pair) -> int:
    """After a beat that both know of; its time."""
    before = (await read_mark(pair.link)).at_ms

    async def has_beaten() -> bool:
        assert await pair.watch.look() is None
        known, mark = await pair.watch.read()
        return known is not None and known.beat_ms == mark.at_ms > before

    await eventually(has_beaten)
    return (await read_mark(pair.link)).at_ms


async def mended(pair: Pair, *, missing: int) -> None:
    """Restore what is missing; nothing speaks against this Redis then."""
    found = await pair.reconciler.difference()
    assert found.loss is not None
    assert found.missing.count == missing
    done = await pair.reconciler.restore()
    assert isinstance(done, Restored)
    assert done.restored == missing
    assert await pair.watch.look() is None
    assert (await pair.reconciler.difference()).loss is None


async def test_a_first_look_has_not_seen_this_redis_before(server: ValkeyServer, database_url: str) -> None:
    async with open_pair(server.url, database_url) as pair:
        assert await pair.watch.look() == "PostgreSQL has not seen this Redis before"
        await mended(pair, missing=0)


async def test_a_redis_that_is_well_beats_once_in_its_time(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not with each look."""
    first = await beaten(pair)
    monkeypatch.setattr(loss_watch, "_BEAT_MS", 60_000)
    for _ in range(20):
        assert await pair.watch.look() is None
    assert (await read_mark(pair.link)).at_ms == first


async def test_flushall_is_seen(pair: Pair) -> None:
    rows = many(30)
    await pair.write(rows)
    await pair.push(rows)
    await pair.link.call("FLUSHALL")
    assert "flushed" in (await pair.watch.look() or "")
    await mended(pair, missing=30)


async def test_an_empty_restart_is_seen(server: ValkeyServer, pair: Pair) -> None:
    rows = many(30)
    await pair.write(rows)
    await pair.push(rows)
    server.restart()
    assert "started empty" in (await _look(pair) or "")
    await mended(pair, missing=30)


async def test_an_old_snapshot_is_seen_and_what_has_ended_is_not_run_again(
    server: ValkeyServer, pair: Pair
) -> None:
    """Jobs that came after it are missing, jobs that ended after it are there again."""
    old, new = many(10, prefix="old"), many(20, prefix="new")
    await pair.write([*old, *new])
    await pair.push(old)
    _save(server, await pair.link.call("SAVE"))
    await pair.end(*[row.job_id for row in old[:4]])
    await pair.link.call("DEL", "arq:queue")
    await pair.push(new)
    await beaten(pair)
    server.kill()
    shutil.copy(server.directory / "kept.rdb", server.directory / "dump.rdb")
    server.start()
    assert "went back by" in (await _look(pair) or "")
    found = await pair.reconciler.difference()
    assert (found.missing.count, found.ended.count) == (20, 4)
    await mended(pair, missing=20)


async def test_a_snapshot_of_an_earlier_epoch_is_seen(server: ValkeyServer, pair: Pair) -> None:
    _save(server, await pair.link.call("SAVE"))
    await pair.reconciler.restore()
    server.kill()
    shutil.copy(server.directory / "kept.rdb", server.directory / "dump.rdb")
    server.start()
    assert "is of epoch 1, but this is epoch 2" in (await _look(pair) or "")
    await mended(pair, missing=0)


async def test_an_append_only_file_without_its_end_is_seen(database_url: str) -> None:
    """A power cut under `appendfsync everysec`."""
    with ValkeyServer(appendonly=True, options={"appendfsync": "always"}) as server:
        async with open_pair(server.url, database_url) as pair:
            await pair.reconciler.restore()
            rows = many(30)
            await pair.write(rows)
            await pair.push(rows[:10])
            log = _append_only_file(server)
            length = log.stat().st_size
            await pair.push(rows[10:])
            server.kill()
            with log.open("r+b") as file:
                file.truncate(length)
            server.start()
            assert "restarted" in (await _look(pair) or "")
            await mended(pair, missing=20)


async def test_a_replica_that_takes_over_without_the_tail_is_seen(
    server: ValkeyServer, pair: Pair, database_url: str
) -> None:
    rows = many(30)
    await pair.write(rows)
    with ValkeyServer(options={"replicaof": f"127.0.0.1 {server.port}"}) as replica:
        async with open_pair(replica.url, database_url) as after:
            await pair.push(rows[:10])
            await eventually(lambda: _has(after, 10))
            await after.link.call("REPLICAOF", "NO", "ONE")
            await pair.push(rows[10:])  # the old master has not heard of it, and is lost then
            server.kill()
            assert "a replica has taken over" in (await after.watch.look() or "")
            await mended(after, missing=20)


async def test_a_restart_that_lost_nothing_is_looked_at_once(database_url: str) -> None:
    with ValkeyServer(appendonly=True) as server:
        async with open_pair(server.url, database_url) as pair:
            await pair.reconciler.restore()
            server.process.send_signal(signal.SIGTERM)
            server.process.wait()
            server.start()
            assert await _look(pair) is not None
            await mended(pair, missing=0)


async def test_a_redis_that_went_back_is_seen_where_nobody_tells_its_process(pair: Pair) -> None:
    """INFO may be forbidden; then the beat tells."""
    before = await pair.link.call("GET", EPOCH)
    await beaten(pair)
    await pair.link.call("SET", EPOCH, before)
    assert "went back by" in (await pair.watch.look() or "")


async def test_a_postgresql_that_went_back_begins_a_new_epoch(pair: Pair) -> None:
    """Else numbers of attempts could come twice."""
    for _ in range(3):
        await pair.reconciler.restore()
    await pair.sql.execute("UPDATE monarq.epochs SET epoch = 2, beat = 0")
    assert "is of epoch 4, but this is epoch 2" in (await pair.watch.look() or "")
    await mended(pair, missing=0)
    known, mark = await pair.watch.read()
    assert known is not None
    assert known.number == mark.epoch == 5


# --- who rebuilds


async def test_one_of_many_who_see_it_restores(pair: Pair, server: ValkeyServer, database_url: str) -> None:
    await pair.write(many(2_000))
    await pair.link.call("FLUSHALL")
    first = await Rebuild.begin(pair.link, pair.database, take_over=False)
    assert first is not None
    async with open_pair(server.url, database_url) as other:
        assert await other.watch.look() is None
        assert await other.reconciler.restore(take_over=False) is None
        assert await other.waiting() == set()


async def test_who_dies_while_it_restores_is_followed(pair: Pair) -> None:
    await pair.link.call("FLUSHALL")
    assert await Rebuild.begin(pair.link, pair.database, take_over=False) is not None
    mark = await read_mark(pair.link)
    await pair.link.call("SET", EPOCH, f"{mark.epoch}:rebuilding:{mark.at_ms - 60_000}")
    assert "has not come to an end" in (await pair.watch.look() or "")
    assert await pair.reconciler.restore(take_over=False) is not None
    assert await pair.watch.look() is None


async def test_who_is_overtaken_goes_on_and_leaves_the_end_to_the_other(pair: Pair) -> None:
    first = await Rebuild.begin(pair.link, pair.database, take_over=False)
    second = await Rebuild.begin(pair.link, pair.database, take_over=True)
    assert first is not None
    assert second is not None
    await first.go_on()
    await first.complete()
    assert (await read_mark(pair.link)).is_being_rebuilt
    await second.complete()
    assert await pair.watch.look() is None


async def test_a_flush_while_it_is_restored_begins_it_anew(pair: Pair) -> None:
    rows = many(1_200)
    await pair.write(rows)
    flushing: list[asyncio.Task[None]] = []

    def flush_once(_: int) -> None:
        if not flushing:
            flushing.append(asyncio.ensure_future(pair.link.call("FLUSHALL")))

    assert await pair.reconciler.restore(flush_once) is not None
    assert await pair.waiting() == {row.job_id for row in rows}
    assert await pair.watch.look() is None


async def test_a_restart_while_it_is_restored_begins_it_anew(database_url: str) -> None:
    with ValkeyServer(appendonly=True) as server:
        async with open_pair(server.url, database_url) as pair:
            begun = await Rebuild.begin(pair.link, pair.database, take_over=True)
            assert begun is not None
            server.restart()
            await _look(pair)
            with pytest.raises(LostAgain):
                await begun.complete()


async def test_who_never_gets_its_turn_says_so(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "_TRIES", 2)
    await pair.sql.execute("UPDATE monarq.epochs SET epoch = 1")
    await pair.sql.execute(
        "CREATE FUNCTION monarq.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    )
    await pair.sql.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON monarq.epochs FOR EACH ROW EXECUTE FUNCTION monarq.refuse()"
    )
    with pytest.raises(StoreUnavailable, match="again and again"):
        await pair.reconciler.restore()


async def test_two_looks_at_a_new_epoch_do_not_take_it_for_a_loss(pair: Pair) -> None:
    """What PostgreSQL said is older than what Redis says."""
    seen = await read_mark(pair.link)
    assert await execute(pair.link, beat(seen, 2, "rebuilding")) is not None
    await pair.sql.execute("UPDATE monarq.epochs SET epoch = 2, run_id = ''")
    assert await pair.watch.look() is None
    assert await execute(pair.link, beat(await read_mark(pair.link), 2)) is not None
    assert await pair.watch.look() is None


# ---


async def _look(pair: Pair) -> str | None:
    """As soon as the server is there again."""

    async def answers() -> bool:
        try:
            return bool(await pair.link.call("PING"))
        except StoreUnavailable:
            return False

    await eventually(answers)
    return await pair.watch.look()


def _save(server: ValkeyServer, reply: bytes) -> None:
    assert reply == b"OK"
    shutil.copy(server.directory / "dump.rdb", server.directory / "kept.rdb")


def _append_only_file(server: ValkeyServer) -> Path:
    [log] = (server.directory / "appendonlydir").glob("*.incr.aof")
    return log


async def _has(pair: Pair, count: int) -> bool:
    return len(await pair.waiting()) == count
