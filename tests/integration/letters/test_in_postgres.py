"""What is so of dead letters in PostgreSQL alone."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from monarq.jobs.errors import DatabaseUnavailable, NotMigrated
from monarq.jobs.settings import Settings
from monarq.jobs.store.dead_letters import open_dead_letters
from monarq.jobs.store.execute import execute
from monarq.jobs.store.keys import DEAD_LETTER, FAILURES, JOB, QUEUES, STARTS, arq_queue_keys, queue_keys
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.archive import Archive
from monarq.jobs.store.queues import announce, count
from monarq.jobs.store.verbs import Accepted, Held, Verb, enqueue
from monarq.jobs.unique import Unique
from monarq.worker.maintenance.archiver import Archiver
from tests.contract.store import Store, a_failure, a_job, an_end
from tests.postgres import PostgresServer
from tests.servers import free_port

from .contract import boom
from .graveyard import AT_ONCE, ArchivedGraveyard, DatabaseGraveyard, open_graveyard

pytestmark = pytest.mark.every_postgres

QUEUE = queue_keys("default")
A_DAY = timedelta(days=1)
DURABLE = b'{"m":{"v":1,"d":1,"h":"0123456789abcdef"},"t":null,"f":"boom","a":[],"k":{},"et":1764000000000}'


@pytest.fixture
async def yard(redis_url: str, database_url: str) -> AsyncIterator[ArchivedGraveyard]:
    """Letters come into the database as soon as they are buried."""
    async with open_graveyard(redis_url, database_url, archived=True) as yard:
        assert isinstance(yard, ArchivedGraveyard)
        yield yard


def store_of(yard: DatabaseGraveyard) -> Store:
    return Store(yard.link, None, QUEUE)  # type: ignore[arg-type]


# --- moving


async def test_nothing_of_a_moved_letter_is_left_in_redis(yard: ArchivedGraveyard) -> None:
    await yard.bury("a", "b")
    left = await yard.link.call("KEYS", "*")
    assert {key.decode() for key in left} <= {QUEUES, QUEUE.stats, QUEUE.wake, *_replies(left)}
    assert len(await yard.rows("SELECT 1 FROM monarq.dead_letters WHERE moved_at IS NOT NULL")) == 2


def _replies(keys: list[bytes]) -> set[str]:
    return {key.decode() for key in keys if key.startswith(b"monarq:reply:")}


async def test_letters_are_counted_where_redis_counts_them(yard: ArchivedGraveyard) -> None:
    await yard.bury("a")
    await yard.letters.replay(["a"])
    counters = (await count(yard.link, QUEUE)).counters
    assert (counters["dead"], counters["replayed"]) == (1, 1)


async def test_a_letter_of_the_last_seconds_stays_for_those_who_wait(yard: ArchivedGraveyard) -> None:
    await DatabaseGraveyard.bury(_unmoved(yard), "a")
    archiver = Archiver(yard.archive, [QUEUE], keep=A_DAY)
    assert await archiver.move() == 0
    await yard.link.call("ZINCRBY", QUEUE.dead, -11_000, "a")
    assert await archiver.move() == 1


def _unmoved(yard: ArchivedGraveyard) -> DatabaseGraveyard:
    return DatabaseGraveyard(yard.link, yard.database)


async def test_what_cannot_be_copied_stays_in_redis_and_holds_up_no_other(yard: ArchivedGraveyard) -> None:
    """Keys of another type, no letter at all, ids that PostgreSQL does not take, a time of no calendar."""
    unmoved = _unmoved(yard)
    long_id = "".join(f"{number:x}" for number in range(3_000))
    names = ["hash", "string", "counter", "gone", "nul\0", long_id, "eternal"]
    await unmoved.bury(*names, "fine")
    await yard.link.call("DEL", DEAD_LETTER + "hash", DEAD_LETTER + "gone")
    await yard.link.call("HSET", DEAD_LETTER + "hash", "k", "v")
    await yard.link.call("DEL", FAILURES + "string")
    await yard.link.call("SET", FAILURES + "string", "no list")
    await yard.link.call("SET", STARTS + "counter", "three")
    await yard.link.call("ZADD", QUEUE.dead, "XX", 9e15, "eternal")
    with capture_logs() as logs:
        assert await yard.archive.move_all(QUEUE, older_than=AT_ONCE) == 1
        await unmoved.bury("later")
        assert await yard.archive.move_all(QUEUE, older_than=AT_ONCE) == 1
    assert [line["job_id"] for line in logs] == [long_id]
    assert {row["job_id"] for row in await yard.rows("SELECT job_id FROM monarq.dead_letters")} == {
        "fine",
        "later",
    }
    assert sorted(await yard.ids()) == sorted([*names, "fine", "later"])
    assert (await yard.letters.survey(LetterFilter())).count == len(names) + 2
    replayed = await yard.letters.replay([*names, "fine"])
    assert replayed == [name != "gone" for name in names] + [True]
    assert await yard.letters.discard(["gone", "later"]) == [True, True]
    assert await yard.letters.count() == 0


async def test_what_was_set_aside_is_shown(yard: ArchivedGraveyard) -> None:
    await DatabaseGraveyard.bury(_unmoved(yard), "a")
    await yard.link.call("HSET", "monarq:corrupt:a", "fence", b"\xff\0")
    await yard.move()
    letter = await yard.letters.show("a")
    assert letter is not None
    assert letter.set_aside == {"fence": b"\xff\0"}


async def test_a_letter_that_redis_holds_again_is_shown_once(yard: ArchivedGraveyard) -> None:
    """It came up from an old snapshot, say."""
    await yard.bury("a")
    [row] = await yard.rows("SELECT * FROM monarq.dead_letters")
    await yard.link.call("SET", DEAD_LETTER + "a", row["body"])
    await yard.link.call("RPUSH", FAILURES + "a", *row["attempts"])
    died_ms = round(row["died_at"].timestamp() * 1000)
    await yard.link.call("ZADD", QUEUE.dead, died_ms, "a")
    assert await yard.ids() == ["a"]
    assert (await yard.letters.survey(LetterFilter())).count == 1
    assert await yard.letters.replay(["a"]) == [True]
    assert await yard.letters.count() == 0
    assert await yard.ready() == {"a"}


async def test_a_freely_named_queue_of_arqs_is_replayed_into_its_own_zset(yard: ArchivedGraveyard) -> None:
    await DatabaseGraveyard.bury(_unmoved(yard), "a", queue="freely")
    await yard.link.call("SREM", QUEUES, "freely")
    await announce(yard.link, [arq_queue_keys("freely")])
    await yard.move()
    assert await yard.letters.replay(["a"]) == [True]
    assert await yard.link.call("ZSCORE", "freely", "a") is not None


async def test_letters_of_a_tagged_queue_move_and_come_back(
    yard: ArchivedGraveyard, redis_url: str, database_url: str
) -> None:
    queue = queue_keys("mail", tagged=True)
    store = Store(yard.link, None, queue)  # type: ignore[arg-type]
    await yard.link.call("SADD", QUEUES, "mail")
    await store.bury("{mail}a")
    archive = Archive(yard.link, yard.database, keep=A_DAY, tagged=True)
    assert await archive.move_all(queue, older_than=AT_ONCE) == 1
    letters = open_dead_letters(yard.link, yard.database, tagged=True)
    assert await letters.replay(["{mail}a"]) == [True]
    assert await store.state("{mail}a") == "ready"


# --- ids and unique keys


async def test_the_id_of_a_moved_letter_can_be_used_and_the_letter_waits(yard: ArchivedGraveyard) -> None:
    await yard.bury("a")
    store = store_of(yard)
    assert await store.enqueue(a_job("a")) == [Accepted.CREATED]
    assert await yard.letters.replay(["a"]) == [False]
    assert await yard.ids() == ["a"]
    [job] = await store.claim()
    await store.settle(an_end(job, result=None))
    assert await yard.letters.replay(["a"]) == [True]


async def test_a_unique_key_until_success_is_held_by_a_moved_letter(yard: ArchivedGraveyard) -> None:
    until_success = Unique(until="success")
    store = store_of(yard)
    for name, act in [("a", yard.letters.discard), ("c", yard.letters.replay)]:
        assert await store.enqueue(a_job(name, unique=until_success)) == [Accepted.CREATED]
        [job] = await store.claim()
        await store.settle(an_end(job, Verb.DEAD, result=None, failure=a_failure()))
        await yard.move()
        again = a_job("b", unique=until_success)
        assert await store.enqueue(again) == [Held(name)]
        await act([name])
        await execute(yard.link, enqueue(QUEUE, [a_job("other")]))
        if name == "c":
            assert await store.enqueue(again) == [Held(name)]
            assert await yard.link.call("TTL", (await yard.link.call("KEYS", "monarq:unique:*"))[0]) == -1


# --- durable jobs


async def bury_durable(yard: ArchivedGraveyard, job_id: str = "a", *, known: bool = True) -> None:
    await yard.bury(job_id, body=DURABLE)
    if known:
        await yard.rows(
            "INSERT INTO monarq.durable_jobs "
            "(job_id, queue, kind, head, fence, spent, state, ended_at, result) "
            "VALUES ($1, 'default', 'boom', 'old', 1, 3, 'dead', now(), 'x')",
            job_id,
        )


async def durable(yard: ArchivedGraveyard, job_id: str = "a") -> dict[str, Any]:
    [row] = await yard.rows("SELECT * FROM monarq.durable_jobs WHERE job_id = $1", job_id)
    return dict(row)


async def test_the_replay_of_a_durable_job_reopens_it(yard: ArchivedGraveyard) -> None:
    await bury_durable(yard)
    assert await yard.letters.replay(["a"]) == [True]
    job = await durable(yard)
    assert (job["state"], job["ended_at"], job["spent"], job["fence"]) == (None, None, 0, 1)
    assert job["head"] + b"1764000000000}" == DURABLE


async def test_a_durable_job_that_is_not_remembered_any_more_is_written_anew(yard: ArchivedGraveyard) -> None:
    await bury_durable(yard, known=False)
    assert await yard.letters.replay(["a"]) == [True]
    job = await durable(yard)
    assert (job["kind"], job["queue"], job["fence"]) == ("boom", "default", 1)
    assert job["digest"] == "0123456789abcdef"


async def test_a_durable_job_of_a_later_life_is_left_alone(yard: ArchivedGraveyard) -> None:
    await bury_durable(yard)
    await yard.rows("UPDATE monarq.durable_jobs SET fence = 5")
    await yard.letters.replay(["a"])
    assert (await durable(yard))["state"] == "dead"


async def test_a_discard_leaves_a_durable_job_ended(yard: ArchivedGraveyard) -> None:
    await bury_durable(yard)
    assert await yard.letters.discard(["a"]) == [True]
    assert (await durable(yard))["state"] == "dead"


async def test_a_replay_of_what_was_just_discarded_reopens_nothing(
    yard: ArchivedGraveyard,
) -> None:
    await bury_durable(yard)
    pages = [page async for page in yard.letters.select(["a"])]
    await yard.letters.discard(["a"])
    assert await yard.letters.replay_heads(pages[0]) == []
    assert (await durable(yard))["state"] == "dead"


async def test_other_jobs_are_no_durable_ones(yard: ArchivedGraveyard) -> None:
    await yard.bury("a")
    await yard.letters.replay(["a"])
    assert await yard.rows("SELECT 1 FROM monarq.durable_jobs") == []


# --- pruning


async def test_letters_that_are_too_old_are_dropped_and_counted_and_logged(yard: ArchivedGraveyard) -> None:
    old = [f"old{number:03}" for number in range(230)]
    await yard.bury(*old, "young")
    await yard.bury("elsewhere", queue="mail")
    await yard.rows(
        "UPDATE monarq.dead_letters SET died_at = died_at - interval '25 hours' WHERE job_id <> 'young'"
    )
    with capture_logs() as logs:
        assert await Archiver(yard.archive, [QUEUE], keep=A_DAY).prune() == 230
        assert await Archiver(yard.archive, [QUEUE], keep=timedelta(0)).prune() == 0
    assert sorted(await yard.ids()) == ["elsewhere", "young"]
    assert [(line["event"], line["too_old"]) for line in logs] == [("worker.dead_letters_pruned", 230)]
    assert (await count(yard.link, QUEUE)).counters["pruned"] == 230


# --- a database that is not there


async def test_letters_stay_in_redis_while_the_database_is_away(yard: ArchivedGraveyard) -> None:
    away = open_database(Settings(database_url=f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"))
    await DatabaseGraveyard.bury(_unmoved(yard), "a")
    with pytest.raises(DatabaseUnavailable):
        await Archive(yard.link, away, keep=A_DAY).move_all(QUEUE, older_than=AT_ONCE)
    assert await yard.link.call("EXISTS", DEAD_LETTER + "a") == 1
    assert await yard.move() == 1
    await away.close()


@pytest.fixture
def bare_url(postgres: PostgresServer) -> str:
    """A database without our tables."""
    return postgres.new_database(migrated=False)


async def test_letters_stay_in_redis_until_the_tables_are_there(
    yard: ArchivedGraveyard, bare_url: str
) -> None:
    bare = open_database(Settings(database_url=bare_url))
    await DatabaseGraveyard.bury(_unmoved(yard), "a")
    with pytest.raises(NotMigrated):
        await Archive(yard.link, bare, keep=A_DAY).move_all(QUEUE, older_than=AT_ONCE)
    assert await yard.link.call("EXISTS", DEAD_LETTER + "a") == 1
    await bare.close()


async def test_an_edited_durable_job_is_rebuilt_as_edited(
    yard: ArchivedGraveyard,
) -> None:
    await bury_durable(yard)
    assert await yard.letters.replay_edited("a", boom.of("y"), max_payload_bytes=1_000)
    body = await yard.link.call("GET", JOB + "a")
    head = (await durable(yard))["head"]
    assert b'"text":"y"' in head
    assert body.startswith(head)
    assert body[len(head) :] == b"1764000000000}"
