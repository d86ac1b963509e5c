"""What moving a job that waits promises."""

from datetime import UTC, datetime, timedelta

import pytest

from monarq.jobs.envelope import decode
from monarq.jobs.priority import Priority
from monarq.jobs.state import State
from monarq.jobs.store import keys
from monarq.jobs.store.moving import NOW, Became
from monarq.jobs.store.verbs import Verb
from monarq.jobs.unique import Unique

from .store import AGEING, Store, a_failure, a_job, an_end

HOUR = timedelta(hours=1)
MOVED, UNCHANGED = Became.MOVED, Became.UNCHANGED


async def body_of(store: Store, job_id: str = "a") -> bytes:
    body: bytes = await store.call("GET", keys.JOB + job_id)
    return body


class MoveRules:
    """ready -> scheduled | retrying, and back; each to another time or priority"""

    async def test_a_scheduled_job_that_is_moved_to_now_can_be_claimed_and_wakes_a_worker(
        self, store: Store
    ) -> None:
        await store.enqueue(a_job(due=HOUR))
        await store.take_token()
        before = await store.now()
        moved = await store.move(due=NOW)
        assert (moved.became, moved.state, moved.priority) == (MOVED, State.READY, Priority.NORMAL)
        assert before <= (await store.score() or 0) <= await store.now()
        assert await store.tokens() == 1
        assert [job.job_id for job in await store.claim()] == ["a"]

    async def test_a_job_that_waits_out_its_backoff_runs_now_with_all_that_it_has_been_through(
        self, store: Store
    ) -> None:
        job = await store.run()
        await store.settle(an_end(job, Verb.RETRYING, delay=HOUR, failure=a_failure()))
        moved = await store.move(due=NOW)
        assert (moved.became, moved.state) == (MOVED, State.READY)
        [job] = await store.claim()
        assert (job.starts, job.spent) == (2, 1)

    async def test_a_job_moves_to_a_point_in_time_or_by_a_span_and_is_not_claimed_before(
        self, store: Store
    ) -> None:
        at = datetime.fromtimestamp((await store.now()) // 1000 + 7_200, UTC)
        await store.enqueue(a_job("a"), a_job("b"))
        moved = await store.move("a", due=at)
        assert (moved.became, moved.state, moved.visible_at) == (MOVED, State.SCHEDULED, at)
        assert await store.score("a") == round(at.timestamp() * 1000)
        before = await store.now()
        await store.move("b", due=HOUR)
        assert before <= (await store.score("b") or 0) - 3_600_000 <= await store.now()
        assert await store.claim(5) == []

    async def test_between_two_attempts_a_job_that_is_put_off_goes_on_retrying(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job, Verb.RETRYING, failure=a_failure()))
        assert (await store.move(due=HOUR)).state is State.RETRYING
        assert await store.state() == "retrying"

    async def test_a_worker_that_sleeps_until_the_first_job_is_due_is_woken_for_one_that_is_due_earlier(
        self, store: Store
    ) -> None:
        await store.enqueue(a_job("a", due=HOUR), a_job("b", due=3 * HOUR))
        await store.take_token()
        await store.move("b", due=2 * HOUR)
        assert await store.tokens() == 0
        await store.move("b", due=HOUR / 2)
        assert await store.tokens() == 1

    @pytest.mark.parametrize(
        "due", [None, NOW, datetime(2001, 1, 1, tzinfo=UTC)], ids=["as it is", "now", "past"]
    )
    async def test_a_job_that_is_due_keeps_what_it_has_waited(
        self, store: Store, due: timedelta | datetime | None
    ) -> None:
        """Neither more, by a time in the past, nor less."""
        await store.enqueue(a_job(priority=Priority.LOW))
        await store.age("a", 2 * AGEING)
        since = await store.score()
        assert (await store.move(due=due)).became is UNCHANGED
        assert (await store.move(due=due, priority=Priority.NORMAL)).became is MOVED
        assert await store.score() == since

    async def test_a_time_in_the_past_is_now_for_a_job_that_was_not_due(self, store: Store) -> None:
        await store.enqueue(a_job(due=HOUR))
        before = await store.now()
        await store.move(due=datetime(2001, 1, 1, tzinfo=UTC))
        assert before <= (await store.score() or 0) <= await store.now()

    @pytest.mark.parametrize("before", list(Priority))
    @pytest.mark.parametrize("after", list(Priority))
    async def test_another_priority_is_another_place_and_the_envelope_says_so(
        self, store: Store, before: Priority, after: Priority
    ) -> None:
        await store.enqueue(a_job(priority=before))
        moved = await store.move(priority=after)
        assert moved.became is (UNCHANGED if before is after else MOVED)
        assert await store.priority() is moved.priority is after
        assert await store.score() is not None
        assert decode(await body_of(store)).priority is after

    async def test_of_the_envelope_nothing_but_the_priority_changes(self, store: Store) -> None:
        await store.enqueue(a_job(content='x","p":"y', unique=Unique(), priority=Priority.LOW, durable=True))
        before = await body_of(store)
        await store.move(priority=Priority.HIGH)
        assert await body_of(store) == before.replace(b',"p":"low"', b"").replace(
            b'},"t"', b',"p":"high"},"t"'
        )
        await store.move(priority=Priority.LOW)
        assert await body_of(store) == before

    async def test_a_job_of_arqs_gets_another_place_and_keeps_its_envelope(self, store: Store) -> None:
        body = b'{"t":null,"f":"test.kind","a":[],"k":{"m":{"a":1}},"et":1}'
        await store.call("SET", keys.JOB + "a", body, "PX", 60_000)
        await store.call("ZADD", store.queue.ranks[2], await store.now(), "a")
        assert (await store.move(priority=Priority.HIGH)).became is MOVED
        assert await body_of(store) == body
        assert await store.priority() is Priority.HIGH

    async def test_a_body_of_another_schema_is_left_as_it_is(self, store: Store) -> None:
        body = b'{"m":{"x":1},"t":null,"f":"test.kind","a":[],"k":{},"et":1}'
        await store.call("SET", keys.JOB + "a", body)
        await store.call("ZADD", store.queue.ranks[2], await store.now(), "a")
        await store.move(priority=Priority.HIGH)
        assert await body_of(store) == body

    async def test_moving_twice_moves_once(self, store: Store) -> None:
        await store.enqueue(a_job(due=HOUR))
        assert (await store.move(due=NOW, priority=Priority.HIGH)).became is MOVED
        before = await store.dump()
        assert (await store.move(due=NOW, priority=Priority.HIGH)).became is UNCHANGED
        assert await store.dump() == before

    async def test_a_running_job_is_left_alone_and_said_to_run(self, store: Store) -> None:
        await store.run()
        before = await store.dump()
        moved = await store.move(due=HOUR, priority=Priority.HIGH)
        assert (moved.became, moved.state, moved.is_refused) == (Became.RUNNING, State.RUNNING, True)
        assert await store.dump() == before

    async def test_a_job_whose_worker_is_gone_runs_until_somebody_has_claimed_it(self, store: Store) -> None:
        await store.run()
        await store.expire_leases("a")
        assert (await store.move(due=HOUR)).became is Became.RUNNING
        await store.call("DEL", keys.FENCE + "a")
        assert (await store.move(due=HOUR)).became is Became.RUNNING
        [job] = await store.claim(worker="w2")
        assert (job.job_id, job.starts, job.lapses) == ("a", 2, 1)

    async def test_a_job_that_arq_runs_is_left_alone(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.give_to_arq()
        assert (await store.move(due=HOUR)).became is Became.RUNNING

    async def test_a_job_that_is_to_be_cancelled_cannot_be_put_off(self, store: Store) -> None:
        await store.enqueue(a_job(durable=True))
        await store.cancel()
        moved = await store.move(due=HOUR)
        assert (moved.became, moved.is_refused) == (Became.CANCELLING, True)
        assert await store.state() == "ready"

    @pytest.mark.parametrize("verb", [Verb.SUCCEEDED, Verb.CANCELLED, Verb.EXPIRED, Verb.DEAD])
    async def test_a_job_that_has_ended_is_left_alone_and_its_end_is_told(
        self, store: Store, verb: Verb
    ) -> None:
        job = await store.run()
        record = b'{"m":{"v":1,"s":"%b"}}' % verb.encode()
        await store.settle(an_end(job, verb, result=record, failure=a_failure()))
        before = await store.dump()
        moved = await store.move(due=NOW, priority=Priority.HIGH)
        assert (moved.became, moved.state) == (Became.ENDED, State(verb))
        assert await store.dump() == before

    async def test_a_dead_letter_without_a_result_is_dead(self, store: Store) -> None:
        await store.bury(result=None)
        assert (await store.move(due=NOW)).state is State.DEAD

    async def test_an_end_that_arq_has_written_is_an_end(self, store: Store) -> None:
        await store.call("SET", keys.RESULT + "a", b"\x80\x05arq")
        moved = await store.move(due=NOW)
        assert (moved.became, moved.state) == (Became.ENDED, None)
        await store.call("DEL", keys.RESULT + "a")
        await store.call("HSET", keys.RESULT + "a", "x", "y")
        assert (await store.move(due=NOW)).became is Became.ENDED

    async def test_a_job_that_never_was_cannot_be_moved(self, store: Store) -> None:
        assert (await store.move(due=NOW)).became is Became.UNKNOWN
        assert await store.keys() == set()

    async def test_a_job_that_was_put_aside_stays_aside_with_its_new_priority(self, store: Store) -> None:
        await store.put_aside("a")
        assert (await store.move(due=NOW)).became is UNCHANGED
        moved = await store.move(priority=Priority.HIGH)
        assert (moved.became, moved.state) == (MOVED, State.READY)
        assert (await store.parked(), await store.score()) == (["a"], None)
        await store.resume("test.kind")
        assert await store.priority() is Priority.HIGH
        assert await store.score() == round(moved.visible_at.timestamp() * 1000) if moved.visible_at else None

    async def test_a_job_that_was_put_aside_can_be_put_off_until_later(self, store: Store) -> None:
        await store.put_aside("a")
        moved = await store.move(due=HOUR, priority=Priority.LOW)
        assert (moved.became, moved.state) == (MOVED, State.SCHEDULED)
        assert (await store.parked(), await store.priority()) == ([], Priority.LOW)

    async def test_where_something_else_lies_nothing_is_written(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.call("SET", store.queue.ranks[0], "x")
        # the first of the four is looked at before all else
        with pytest.raises(Exception, match="WRONGTYPE"):
            await store.move(priority=Priority.LOW)
        await store.call("DEL", store.queue.ranks[0])
        await store.call("SET", store.queue.ranks[3], "x")
        before = await store.dump()
        with pytest.raises(Exception, match="WRONGTYPE"):
            await store.move(priority=Priority.LOW)
        assert await store.dump() == before
