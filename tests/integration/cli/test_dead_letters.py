"""What the store tells of dead letters: whatever lies there is listed, and can be replayed or forgotten."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from monarq.jobs.failure import Cause
from monarq.jobs.priority import Priority
from monarq.jobs.store.connection import Link
from monarq.jobs.store.dead_letters import DeadLetters, Origin, open_dead_letters
from monarq.jobs.store.keys import DEAD_LETTER, FAILURES, QUEUES, arq_queue_keys, queue_keys
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.letter_scan import PAGE
from monarq.jobs.store.queues import announce, known_queues

from .burial import bury


@pytest.fixture
def dead(link: Link) -> DeadLetters:
    return open_dead_letters(link, origin=Origin(actor="ann@desk", place="a test"))


async def test_a_letter_tells_what_it_was_and_what_went_wrong(link: Link, dead: DeadLetters) -> None:
    await bury(link, "a", queue="mail", priority=Priority.HIGH, message="bad")
    letter = await dead.show("a")
    assert letter is not None
    assert (letter.kind, letter.queue, letter.priority) == ("boom", "mail", Priority.HIGH)
    assert (letter.args, letter.kwargs) == ([], {"text": "x"})
    assert [(failure.spent, failure.message) for failure in letter.attempts] == [(1, "bad")]
    assert letter.enqueued_at is not None
    assert letter.enqueued_at <= letter.died_at


async def test_no_letter_is_none(dead: DeadLetters) -> None:
    assert await dead.show("a") is None


async def test_the_newest_of_all_queues_come_first(link: Link, dead: DeadLetters) -> None:
    for at, (job_id, queue) in enumerate([("a", "default"), ("b", "mail"), ("c", "default")]):
        await bury(link, job_id, queue=queue)
        await link.call("ZADD", queue_keys(queue).dead, "XX", 1000 + at, job_id)
    assert [letter.job_id for letter in await dead.list()] == ["c", "b", "a"]
    assert [letter.job_id for letter in await dead.list(limit=2)] == ["c", "b"]
    assert [letter.job_id for letter in await dead.list(LetterFilter(queue="mail"))] == ["b"]


async def test_the_death_of_the_last_letter_turns_the_page(link: Link, dead: DeadLetters) -> None:
    for at, job_id in enumerate(["a", "b", "c"]):
        await bury(link, job_id)
        await link.call("ZADD", queue_keys("default").dead, "XX", 1000 + at, job_id)
    [newest] = await dead.list(limit=1)
    assert [letter.job_id for letter in await dead.list(LetterFilter(until=newest.died_at))] == ["b", "a"]


async def test_a_kind_is_found_behind_many_others(link: Link, dead: DeadLetters) -> None:
    await bury(link, "a", kind="rare")
    await bury(link, *(f"n{number:03}" for number in range(250)))
    assert [letter.job_id for letter in await dead.list(LetterFilter(kind="rare"), limit=5)] == ["a"]


async def test_a_replayed_letter_is_ready_with_a_fresh_budget(link: Link, dead: DeadLetters) -> None:
    await bury(link, "a", queue="mail", priority=Priority.HIGH)
    assert await dead.replay(["a", "nobody"]) == [True, False]
    assert await dead.show("a") is None
    assert await link.call("ZSCORE", queue_keys("mail").ranks[Priority.HIGH.rank], "a") is not None
    last = await link.call("LINDEX", FAILURES + "a", -1)
    assert last.startswith(b'{"spent":0,"crashes":0,"lapses":0,"cause":"replay"')
    assert b"replayed by ann@desk from a test" in last


async def test_an_earlier_replay_stays_with_the_letter(link: Link, dead: DeadLetters) -> None:
    await bury(link, "a")
    await dead.replay(["a"])
    await link.call("ZREM", queue_keys("default").ranks[Priority.NORMAL.rank], "a")
    await link.call("RENAME", "arq:job:a", DEAD_LETTER + "a")
    await link.call("ZADD", queue_keys("default").dead, 1, "a")
    letter = await dead.show("a")
    assert letter is not None
    assert [failure.cause for failure in letter.attempts] == [Cause.ERROR, Cause.REPLAY]
    assert [failure.cause for failure in letter.failures] == [Cause.ERROR]
    [replay] = letter.replays
    assert (replay.by, replay.told) == ("ann@desk", "replayed by ann@desk from a test")
    assert replay.at is not None


async def test_a_discarded_letter_leaves_nothing_behind(link: Link, dead: DeadLetters) -> None:
    await bury(link, "a", "b")
    assert await dead.discard(["a", "nobody"]) == [True, False]
    assert await dead.count() == 1
    assert await link.call("EXISTS", DEAD_LETTER + "a", FAILURES + "a", "arq:retry:a") == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x80\x04pickled",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"f":1,"a":[],"k":{},"et":1}',
        b'{"f":"k","a":[],"k":{},"et":1,"m":{"p":[]}}',
        b'{"f":"k","a":[],"k":{},"et":9999999999999999999}',
    ],
)
async def test_a_letter_that_cannot_be_read_is_listed_with_its_bytes(
    link: Link, dead: DeadLetters, body: bytes
) -> None:
    await bury(link, "a", "b")
    await link.call("SET", DEAD_LETTER + "a", body)
    letters = {letter.job_id: letter for letter in await dead.list()}
    assert set(letters) == {"a", "b"}
    assert (letters["a"].raw == body) == (letters["a"].fault is not None) == (letters["a"].kind is None)
    assert letters["a"].as_document()["attempts"]
    assert letters["b"].fault is None


async def test_letters_that_died_in_one_ms_are_all_found_page_by_page(link: Link, dead: DeadLetters) -> None:
    """A batch of a worker's settles has one time; pages are cut by time."""
    names = [f"n{number:04}" for number in range(3 * PAGE)]
    await bury(link, *names)
    key = queue_keys("default").dead
    for name in names:
        await link.call("ZADD", key, "XX", 1000 if name < f"n{2 * PAGE + 50:04}" else 1001, name)
    assert [letter.job_id for letter in await dead.list(limit=len(names))] == names[::-1]
    assert (await dead.survey(LetterFilter())).count == len(names)


async def test_letters_that_go_meanwhile_hide_no_other(link: Link, dead: DeadLetters) -> None:
    names = [f"n{number:04}" for number in range(2 * PAGE)]
    await bury(link, *names)
    seen: list[str] = []
    async for page in dead.select(LetterFilter()):
        seen += [head.job_id for head in page]
        assert await dead.replay_heads(page) == page
    assert sorted(seen) == names
    assert await dead.count() == 0


async def test_a_letter_is_found_by_when_it_died(link: Link, dead: DeadLetters) -> None:
    for at, job_id in enumerate(["a", "b", "c"]):
        await bury(link, job_id)
        await link.call("ZADD", queue_keys("default").dead, "XX", 1_000_000 + at, job_id)
    b = datetime.fromtimestamp(1000.001, UTC)
    assert [letter.job_id for letter in await dead.list(LetterFilter(since=b))] == ["c", "b"]
    assert [letter.job_id for letter in await dead.list(LetterFilter(until=b))] == ["a"]
    only_b = LetterFilter(since=b, until=b + timedelta(milliseconds=1))
    assert [letter.job_id for letter in await dead.list(only_b)] == ["b"]


async def test_letters_of_one_bug_are_one_group(link: Link, dead: DeadLetters) -> None:
    await bury(link, "a", "b", message="no row 7", queue="mail", kind="letter")
    await bury(link, "c", message="no row 12")
    await bury(link, "d", message="no printer")
    key = queue_keys("default").dead
    await link.call("ZADD", key, "XX", 9_999_999_999_999, "c")
    groups = await dead.groups()
    assert [(group.count, dict(group.kinds), dict(group.queues)) for group in groups] == [
        (3, {"letter": 2, "boom": 1}, {"mail": 2, "default": 1}),
        (1, {"boom": 1}, {"default": 1}),
    ]
    assert groups[0].sample.job_id == "c"
    assert groups[0].first_seen < groups[0].last_seen == groups[0].sample.died_at
    of_group = LetterFilter(fingerprint=groups[0].fingerprint)
    assert {letter.job_id for letter in await dead.list(of_group)} == {"a", "b", "c"}
    assert {letter.fingerprint for letter in await dead.list(of_group)} == {groups[0].fingerprint}


async def test_letters_that_cannot_be_read_are_grouped_too(link: Link, dead: DeadLetters) -> None:
    await bury(link, "a", "b", "c")
    await link.call("SET", DEAD_LETTER + "a", b"\x80pickled")
    await link.call("DEL", FAILURES + "b")
    await link.call("DEL", FAILURES + "c")
    await link.call("SET", FAILURES + "c", "another type")
    await bury(link, "d")
    odd = {
        "spent": 1,
        "crashes": 0,
        "cause": "error",
        "fence": 1,
        "worker": "",
        "message": 7,
        "traceback": [],
    }
    await link.call("RPUSH", FAILURES + "d", json.dumps(odd))
    groups = await dead.groups()
    assert sum(group.count for group in groups) == 4
    assert len(await dead.list(LetterFilter(text="7"))) == 1
    assert any(group.kinds == {"<unreadable>": 1} for group in groups)


async def test_a_discard_by_filter_forgets_what_it_means_and_no_other(link: Link, dead: DeadLetters) -> None:
    await bury(link, *(f"a{number:03}" for number in range(250)), message="no row 7")
    await bury(link, "b", message="no printer")
    await bury(link, "c", message="no row 7", queue="mail")
    told: list[int] = []
    assert await dead.discard_all(LetterFilter(text="row", queue="default"), told.append) == 250
    assert told[-1] == 250
    assert {letter.job_id for letter in await dead.list()} == {"b", "c"}


async def test_a_letter_that_dies_once_more_meanwhile_is_not_the_one_that_was_read(
    link: Link, dead: DeadLetters
) -> None:
    await bury(link, "a")
    async for page in dead.select(["a"]):
        await link.call("ZINCRBY", queue_keys("default").dead, 1, "a")
        assert await dead.replay_heads(page) == []
    assert await dead.count() == 1


async def test_a_letter_that_is_gone_is_listed_and_can_be_forgotten(link: Link, dead: DeadLetters) -> None:
    await bury(link, "a")
    await link.call("DEL", DEAD_LETTER + "a")
    [letter] = await dead.list()
    assert letter.fault == "its envelope is gone"
    assert await dead.discard(["a"]) == [True]
    assert await dead.count() == 0


async def test_failures_that_cannot_be_read_do_not_hide_the_letter(link: Link, dead: DeadLetters) -> None:
    await bury(link, "a", "b")
    await link.call("RPUSH", FAILURES + "a", "not json", b'{"cause":"no such cause"}', b"[]")
    await link.call("DEL", FAILURES + "b")
    await link.call("SET", FAILURES + "b", "another type")
    causes = {letter.job_id: [f.cause for f in letter.attempts] for letter in await dead.list()}
    assert causes["a"] == [Cause.ERROR, Cause.CORRUPTION, Cause.CORRUPTION, Cause.CORRUPTION]
    assert causes["b"] == [Cause.CORRUPTION]


async def test_an_unreadable_letter_can_be_replayed(link: Link, dead: DeadLetters) -> None:
    await bury(link, "a")
    await link.call("SET", DEAD_LETTER + "a", b"\x80pickled")
    assert await dead.replay(["a"]) == [True]
    assert await link.call("GET", "arq:job:a") == b"\x80pickled"


async def test_a_freely_named_queue_of_arqs_is_replayed_into_its_own_zset(
    link: Link, dead: DeadLetters
) -> None:
    await bury(link, "a", queue="freely")
    await link.call("SREM", QUEUES, "freely")
    await announce(link, [arq_queue_keys("freely")])
    assert [keys.name for keys in await known_queues(link, tagged=False)] == ["default", "freely"]
    assert await dead.replay(["a"]) == [True]
    assert await link.call("ZSCORE", "freely", "a") is not None


async def test_a_strange_entry_in_the_list_of_queues_hides_no_other(link: Link) -> None:
    await link.call("SADD", QUEUES, "mail", b"\xff", "two words", "")
    assert [keys.name for keys in await known_queues(link, tagged=False)] == ["default", "mail"]
