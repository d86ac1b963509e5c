"""What dead letters promise, wherever they lie."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from monarq.jobs import JobContext, job
from monarq.jobs.errors import CorruptRecord, InvalidArguments, PayloadTooLarge
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.priority import Priority
from monarq.jobs.store.keys import FAILURES, JOB, STARTS, queue_keys
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.letter_scan import PAGE
from monarq.jobs.store.queues import count
from monarq.jobs.store.replaying import Plan, Replaying

from .graveyard import Graveyard

A_MS = timedelta(milliseconds=1)


@job("boom")
async def boom(ctx: JobContext, text: str) -> None: ...


@job("other")
async def other(ctx: JobContext, text: str) -> None: ...


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)


class LetterContract:
    """A subclass gives the fixture `yard`, nothing else."""

    # --- reading

    async def test_a_letter_tells_what_it_was_and_what_went_wrong(self, yard: Graveyard) -> None:
        await yard.bury("a", queue="mail", priority=Priority.HIGH, message="bad", traceback="here")
        letter = await yard.letters.show("a")
        assert letter is not None
        assert (letter.kind, letter.queue, letter.priority) == ("boom", "mail", Priority.HIGH)
        assert (letter.args, letter.kwargs) == ([], {"text": "x"})
        assert [(one.spent, one.message, one.traceback) for one in letter.attempts] == [(1, "bad", "here")]
        assert letter.enqueued_at is not None
        assert letter.enqueued_at <= letter.died_at

    async def test_no_letter_is_none(self, yard: Graveyard) -> None:
        await yard.bury("a")
        assert await yard.letters.show("b") is None
        assert await yard.letters.show("nul\0") is None

    async def test_letters_are_counted_by_queue(self, yard: Graveyard) -> None:
        await yard.bury("a", "b")
        await yard.bury("c", queue="mail")
        assert await yard.letters.count() == 3
        assert await yard.letters.count("mail") == 1
        assert await yard.letters.count("nowhere") == 0

    async def test_the_newest_of_all_queues_come_first(self, yard: Graveyard) -> None:
        for ms, (job_id, queue) in enumerate([("a", "default"), ("b", "mail"), ("c", "default")], 1000):
            await yard.bury(job_id, queue=queue, died_ms=ms)
        assert await yard.ids() == ["c", "b", "a"]
        assert [letter.job_id for letter in await yard.letters.list(limit=2)] == ["c", "b"]
        newest = await yard.letters.list(LetterFilter(queue="mail"))
        assert [letter.job_id for letter in newest] == ["b"]

    async def test_the_death_of_the_last_letter_turns_the_page(self, yard: Graveyard) -> None:
        for ms, job_id in enumerate(["a", "b", "c"], 1000):
            await yard.bury(job_id, died_ms=ms)
        [newest] = await yard.letters.list(limit=1)
        rest = await yard.letters.list(LetterFilter(until=newest.died_at))
        assert [letter.job_id for letter in rest] == ["b", "a"]

    async def test_letters_are_found_by_when_they_died_to_the_ms(self, yard: Graveyard) -> None:
        for ms, job_id in enumerate(["a", "b", "c"], 1_764_000_000_001):
            await yard.bury(job_id, died_ms=ms)
        b = at(1_764_000_000_002)
        assert await self._found(yard, LetterFilter(since=b)) == ["b", "c"]
        assert await self._found(yard, LetterFilter(until=b)) == ["a"]
        assert await self._found(yard, LetterFilter(since=b, until=b + A_MS)) == ["b"]

    async def test_letters_are_found_by_what_they_are(self, yard: Graveyard) -> None:
        await yard.bury("a", message="no row 7", kind="letter", queue="mail")
        await yard.bury("b", message="no row 12", arguments={"text": 'Quoted "Übergröße"\n'})
        await yard.bury("c", message="no printer", traceback="in The_Cellar")
        assert await self._found(yard, LetterFilter(kind="letter")) == ["a"]
        assert await self._found(yard, LetterFilter(kind="letter", queue="default")) == []
        [printer] = await yard.letters.list(LetterFilter(text="PRINTER"))
        assert await self._found(yard, LetterFilter(fingerprint=printer.fingerprint)) == ["c"]
        assert await self._found(yard, LetterFilter(text="no row")) == ["b", "a"]
        assert await self._found(yard, LetterFilter(text="the_cellar")) == ["c"]
        assert await self._found(yard, LetterFilter(text='"übergrösse"')) == ["b"]
        assert await self._found(yard, LetterFilter(text='"ÜBERGRÖSSE"\n')) == ["b"]
        assert await self._found(yard, LetterFilter(text="100%")) == []
        assert await self._found(yard, LetterFilter(text="a", kind="letter")) == ["a"]

    async def test_letters_that_died_in_one_ms_are_all_found_page_by_page(self, yard: Graveyard) -> None:
        names = [f"n{number:04}" for number in range(2 * PAGE + 50)]
        await yard.bury(*names[: PAGE + 50], died_ms=1000)
        await yard.bury(*names[PAGE + 50 :], died_ms=1001)
        assert await yard.ids() == names[::-1]
        pages = [page async for page in yard.letters.select(LetterFilter())]
        assert [head.job_id for page in pages for head in page] == names

    async def test_letters_of_one_bug_are_one_group(self, yard: Graveyard) -> None:
        await yard.bury("a", "b", message="no row 7", queue="mail", kind="letter", died_ms=1000)
        await yard.bury("c", message="no row 12", died_ms=3000)
        await yard.bury("d", message="no printer", died_ms=2000)
        groups = await yard.letters.groups()
        assert [(group.count, dict(group.kinds), dict(group.queues)) for group in groups] == [
            (3, {"letter": 2, "boom": 1}, {"mail": 2, "default": 1}),
            (1, {"boom": 1}, {"default": 1}),
        ]
        assert groups[0].sample.job_id == "c"
        assert groups[0].sample.error == "ValueError: no row 12"
        assert (groups[0].first_seen, groups[0].last_seen) == (at(1000), at(3000))
        of_group = LetterFilter(fingerprint=groups[0].fingerprint)
        assert await self._found(yard, of_group) == ["c", "a", "b"]

    async def test_groups_are_of_the_letters_that_are_meant(self, yard: Graveyard) -> None:
        await yard.bury("a", message="no row 1", died_ms=1000)
        await yard.bury("b", message="no row 2", queue="mail", died_ms=2000)
        await yard.bury("c", message="no row 3", kind="other", died_ms=2000)
        for wanted, sample in [
            (LetterFilter(until=at(2000)), "a"),
            (LetterFilter(queue="mail"), "b"),
            (LetterFilter(kind="other"), "c"),
            (LetterFilter(text="row 3"), "c"),
        ]:
            [group] = await yard.letters.groups(wanted)
            assert (group.count, group.sample.job_id) == (1, sample)
        assert await yard.letters.groups(LetterFilter(text="nothing")) == []

    async def test_a_survey_of_ids_is_of_these(self, yard: Graveyard) -> None:
        await yard.bury("a", "b", "c")
        survey = await yard.letters.survey(["b", "nobody", "b"])
        assert (survey.count, [head.job_id for head in survey.sample]) == (1, ["b"])

    async def test_a_survey_names_some(self, yard: Graveyard) -> None:
        told: list[int] = []
        await yard.bury(*(f"n{number:03}" for number in range(300)))
        survey = await yard.letters.survey(LetterFilter(), told.append)
        assert (survey.count, told[-1]) == (300, 300)
        assert 1 <= len(survey.sample) <= 5

    @pytest.mark.parametrize(
        "body",
        [
            b"\x80\x04pickled",
            b"\xff\xfe\0",
            b"[]",
            b"{}",
            b'{"f":1,"a":[],"k":{},"et":1}',
            b'{"f":"k","a":[],"k":{},"et":1,"m":{"p":[]}}',
            b'{"f":"k","a":[],"k":{},"et":9999999999999999999}',
            b'{"f":"n\\u0000l","a":["\\u0000"],"k":{},"et":1}',
        ],
    )
    async def test_whatever_lies_there_is_listed_and_replayed_as_it_is(
        self, yard: Graveyard, body: bytes
    ) -> None:
        await yard.bury("a", body=body)
        await yard.bury("b")
        letters = {letter.job_id: letter for letter in await yard.letters.list()}
        assert set(letters) == {"a", "b"}
        assert (letters["a"].raw == body) == (letters["a"].fault is not None) == (letters["a"].kind is None)
        assert sum(group.count for group in await yard.letters.groups()) == 2
        assert await yard.letters.replay(["a"]) == [True]
        assert await yard.link.call("GET", JOB + "a") == body

    async def test_failures_that_cannot_be_read_are_kept_as_they_are(self, yard: Graveyard) -> None:
        records = [b"not json", b'{"cause":"no such cause"}', b"\xff\0", b""]
        await yard.bury("b")  # so that the letter below is not the only one
        await Graveyard.bury(_still(yard), "a")
        await yard.link.call("RPUSH", FAILURES + "a", *records)
        await yard.settle()
        letter = await yard.letters.show("a")
        assert letter is not None
        assert [one.cause for one in letter.attempts] == [Cause.ERROR, *[Cause.CORRUPTION] * 4]
        assert await yard.letters.replay(["a"]) == [True]
        assert (await yard.link.call("LRANGE", FAILURES + "a", 1, -2)) == records

    # --- replaying

    async def test_a_replayed_letter_is_ready_with_a_fresh_budget(self, yard: Graveyard) -> None:
        await yard.bury("a", queue="mail", priority=Priority.HIGH)
        assert await yard.letters.replay(["a", "nobody"]) == [True, False]
        assert await yard.letters.show("a") is None
        assert await yard.link.call("ZSCORE", queue_keys("mail").ranks[Priority.HIGH.rank], "a") is not None
        first, last = await yard.link.call("LRANGE", FAILURES + "a", 0, -1)
        assert b'"cause":"error"' in first
        assert last.startswith(b'{"spent":0,"crashes":0,"lapses":0,"cause":"replay"')
        assert b"replayed by ann@desk from a test" in last
        assert await yard.link.call("GET", STARTS + "a") == b"1"
        assert (await count(yard.link, queue_keys("mail"))).counters["replayed"] == 1

    async def test_a_letter_that_dies_again_is_another_with_the_past_of_both(self, yard: Graveyard) -> None:
        await yard.bury("a", message="first")
        [head] = [head async for page in yard.letters.select(["a"]) for head in page]
        assert await yard.letters.replay(["a"]) == [True]
        await _die_again(yard, "a")
        await yard.settle()
        assert await yard.letters.replay_heads([head]) == []
        letter = await yard.letters.show("a")
        assert letter is not None
        assert [one.cause for one in letter.attempts] == [Cause.ERROR, Cause.REPLAY, Cause.ERROR]
        [replay] = letter.replays
        assert (replay.by, replay.told) == ("ann@desk", "replayed by ann@desk from a test")
        assert await yard.letters.count() == 1

    async def test_two_that_replay_at_once_replay_each_letter_once(self, yard: Graveyard) -> None:
        names = [f"a{number:03}" for number in range(250)]
        await yard.bury(*names)
        both = [Replaying(yard.letters, yard.link, LetterFilter(), Plan()) for _ in range(2)]
        await asyncio.gather(*(one.run() for one in both))
        assert sorted(both[0].replayed + both[1].replayed) == names
        assert await yard.ready() == set(names)
        for name in names:
            records = await yard.link.call("LRANGE", FAILURES + name, 0, -1)
            assert [b'"cause":"replay"' in record for record in records] == [False, True]

    async def test_letters_that_go_meanwhile_hide_no_other(self, yard: Graveyard) -> None:
        names = [f"n{number:04}" for number in range(2 * PAGE)]
        await yard.bury(*names)
        seen: list[str] = []
        async for page in yard.letters.select(LetterFilter()):
            seen += [head.job_id for head in page]
            assert await yard.letters.replay_heads(page) == page
        assert sorted(seen) == names
        assert await yard.letters.count() == 0

    async def test_an_edited_letter_runs_with_the_other_arguments(self, yard: Graveyard) -> None:
        await yard.bury("a")
        options = {"max_payload_bytes": 1_000}
        assert await yard.letters.replay_edited("a", boom.of("y"), **options)
        assert b'"k":{"text":"y"}' in await yard.link.call("GET", JOB + "a")
        assert not await yard.letters.replay_edited("a", boom.of("y"), **options)
        assert b"with other arguments" in await yard.link.call("LINDEX", FAILURES + "a", -1)

    async def test_an_edit_that_does_not_fit_changes_nothing(self, yard: Graveyard) -> None:
        await yard.bury("a")
        await yard.bury("b", body=b"\x80")
        with pytest.raises(InvalidArguments):
            await yard.letters.replay_edited("a", other.of("y"), max_payload_bytes=1_000)
        with pytest.raises(PayloadTooLarge):
            await yard.letters.replay_edited("a", boom.of("y" * 1_000), max_payload_bytes=1_000)
        with pytest.raises(CorruptRecord):
            await yard.letters.replay_edited("b", boom.of("y"), max_payload_bytes=1_000)
        assert await yard.letters.count() == 2

    # --- discarding

    async def test_a_discarded_letter_leaves_nothing_behind(self, yard: Graveyard) -> None:
        await yard.bury("a", "b")
        assert await yard.letters.discard(["a", "nobody"]) == [True, False]
        assert await yard.ids() == ["b"]
        assert await yard.letters.discard(["b", "b"]) == [True, True]
        left = await yard.link.call("KEYS", "*")
        assert [key for key in left if b":a" in key or b":b" in key or b"dead" in key] == []
        assert (await count(yard.link, queue_keys("default"))).counters["discarded"] == 2

    async def test_a_discard_by_filter_forgets_what_it_means_and_no_other(self, yard: Graveyard) -> None:
        await yard.bury(*(f"a{number:03}" for number in range(250)), message="no row 7")
        await yard.bury("b", message="no printer")
        await yard.bury("c", message="no row 7", queue="mail")
        told: list[int] = []
        wanted = LetterFilter(text="row", queue="default")
        assert await yard.letters.discard_all(wanted, told.append) == 250
        assert told[-1] == 250
        assert sorted(await yard.ids()) == ["b", "c"]

    async def test_a_letter_that_has_died_again_is_not_the_one_that_is_discarded(
        self, yard: Graveyard
    ) -> None:
        await yard.bury("a")
        pages = [page async for page in yard.letters.select(["a"])]
        await yard.letters.replay(["a"])
        await _die_again(yard, "a")
        await yard.settle()
        assert await yard.letters.forget_batch(pages[0]) == []
        assert await yard.letters.count() == 1

    # ---

    async def _found(self, yard: Graveyard, wanted: LetterFilter) -> list[str]:
        """Oldest first within each queue; the list must tell of the same ones."""
        found = [head.job_id async for page in yard.letters.select(wanted) for head in page]
        assert {letter.job_id for letter in await yard.letters.list(wanted)} == set(found)
        assert (await yard.letters.survey(wanted)).count == len(found)
        return found


def _still(yard: Graveyard) -> Graveyard:
    """The same place, where letters stay in Redis until they are settled."""
    return Graveyard(yard.link, yard.letters)


async def _die_again(yard: Graveyard, job_id: str) -> None:
    """Run a job that waits, and let it die, at a later ms than before."""
    from monarq.jobs.store.verbs import Verb
    from tests.contract.store import Store, a_failure, an_end

    store = Store(yard.link, None, queue_keys("default"))  # type: ignore[arg-type]
    [claimed] = await store.claim(1)
    assert claimed.job_id == job_id
    failure: Failure = a_failure()
    await store.settle(an_end(claimed, Verb.DEAD, failure=failure))
    await yard.link.call("ZINCRBY", queue_keys("default").dead, 1, job_id)
