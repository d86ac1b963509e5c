"""What a pause and a resume promise."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monarq.jobs.failure import Cause
from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store import keys
from monarq.jobs.store.pauses import read_pauses
from monarq.jobs.store.verbs import Accepted, Cancellation, Claimed, Held, Renewal, Verb
from monarq.jobs.unique import Unique

from .store import AGEING, LEASE, Store, a_failure, a_job, a_lease, an_end

HOUR = timedelta(hours=1)
KIND, OTHER = "test.kind", "other.kind"


def ids(jobs: list[Claimed]) -> list[str]:
    return [job.job_id for job in jobs]


class PauseRules:
    """ready -> ready"""

    # --- a queue

    async def test_a_paused_queue_gives_nothing_and_changes_nothing(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b", priority=Priority.HIGH))
        await store.pause()
        await store.take_token()
        before = await store.dump()
        reply = await store.look(5)
        assert (reply.jobs, reply.next_due) == ([], None)
        assert await store.dump() == before
        assert await store.state() == "ready"

    async def test_orphans_of_a_paused_queue_wait_for_its_resume(self, store: Store) -> None:
        await store.run()
        await store.expire_leases("a")
        await store.pause()
        assert await store.claim(5, worker="w2") == []
        assert await store.failures() == []
        await store.resume()
        assert ids(await store.claim(5, worker="w2")) == ["a"]

    async def test_what_runs_when_its_queue_is_paused_goes_on_and_ends(self, store: Store) -> None:
        job = await store.run()
        await store.pause()
        assert await store.renew(a_lease(job)) == [Renewal.RENEWED]
        assert await store.settle(an_end(job)) == [True]

    async def test_a_claim_whose_reply_was_lost_before_the_pause_is_still_answered(
        self, store: Store
    ) -> None:
        """The jobs are leased: held back now they would wait for the end of their leases."""
        await store.enqueue(a_job())
        await store.claim(nonce="n")
        await store.pause()
        assert ids(await store.claim(nonce="n")) == ["a"]

    async def test_a_pause_takes_jobs_in(self, store: Store) -> None:
        await store.pause()
        assert await store.enqueue(a_job()) == [Accepted.CREATED]
        assert await store.claim(5) == []
        await store.resume()
        assert ids(await store.claim(5)) == ["a"]

    async def test_other_queues_go_on(self, store: Store) -> None:
        other = Store(store.transport, store.client, keys.queue_keys("other"))
        await store.enqueue(a_job("a"))
        await other.enqueue(a_job("b"))
        await store.pause()
        assert ids(await store.claim(5, queues=[store.queue, other.queue])) == ["b"]

    async def test_a_resumed_queue_wakes_a_worker(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.pause()
        await store.claim()
        assert await store.tokens() == 0
        assert await store.resume() != (None, 0)
        assert await store.tokens() == 1
        assert await store.call("EXISTS", store.queue.pause) == 0

    # --- until when

    async def test_a_worker_is_told_when_the_pause_is_over_and_is_woken_to_learn_it(
        self, store: Store
    ) -> None:
        """It may sleep for longer than that."""
        await store.enqueue(a_job())
        await store.take_token()
        await store.pause(until=HOUR)
        assert await store.tokens() == 1
        assert 3590 < (await store.look(5)).next_due <= 3600  # type: ignore[operator]

    async def test_the_sooner_of_a_job_and_the_end_of_a_pause_comes_next(self, store: Store) -> None:
        await store.enqueue(a_job(due=timedelta(minutes=5)))
        await store.pause(OTHER, until=HOUR)
        assert 290 < (await store.look(5)).next_due <= 300  # type: ignore[operator]
        await store.pause(OTHER, until=timedelta(minutes=1))
        assert 50 < (await store.look(5)).next_due <= 60  # type: ignore[operator]

    async def test_a_pause_whose_time_is_over_holds_nothing_and_is_gone(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.pause(until=HOUR)
        await store.end_pause()
        assert ids(await store.claim(5)) == ["a"]
        assert await store.call("EXISTS", store.queue.pause) == 0

    async def test_until_counts_by_the_clock_of_the_server(self, store: Store) -> None:
        before = await store.now()
        span = await store.pause(until=HOUR)
        moment = await store.pause("k", until=datetime.fromtimestamp((before + 5000) / 1000, UTC))
        assert span is not None
        assert span.until == span.at + HOUR
        assert moment is not None
        assert moment.until == datetime.fromtimestamp((before + 5000) / 1000, UTC)

    @pytest.mark.parametrize("until", [timedelta(0), -HOUR, datetime(2020, 1, 1, tzinfo=UTC)])
    async def test_a_pause_that_would_be_over_is_refused(
        self, store: Store, until: timedelta | datetime
    ) -> None:
        assert await store.pause(until=until) is None
        assert await store.keys() == set()

    # --- a kind

    async def test_due_jobs_of_a_paused_kind_are_put_aside_and_others_are_claimed(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b", kind=OTHER), a_job("c"), a_job("d", kind=OTHER))
        await store.pause(KIND)
        assert ids(await store.claim(4)) == ["b", "d"]
        assert await store.parked(KIND) == ["a", "c"]
        assert [await store.state(job_id) for job_id in "ac"] == ["ready", "ready"]
        assert await store.starts("a") == 0

    async def test_many_of_a_paused_kind_at_the_head_do_not_keep_others_from_a_small_worker(
        self, store: Store
    ) -> None:
        await store.enqueue(*(a_job(f"p{n:03}") for n in range(150)), a_job("q", kind=OTHER))
        await store.pause(KIND)
        assert ids(await store.claim(1)) == ["q"]

    async def test_one_claim_puts_a_bounded_number_aside_and_asks_to_be_repeated(self, store: Store) -> None:
        for batch in range(5):
            await store.enqueue(*(a_job(f"p{batch}{n:03}") for n in range(100)))
        await store.enqueue(a_job("q", kind=OTHER))
        await store.pause(KIND)
        claims = 0
        while not (reply := await store.look(50)).jobs:
            assert reply.next_due == 0
            assert await store.tokens() == 1
            claims += 1
        assert claims == 2
        assert ids(reply.jobs) == ["q"]
        assert len(await store.parked(KIND)) == 500

    async def test_a_job_that_is_not_due_stays_where_it_is(self, store: Store) -> None:
        await store.enqueue(a_job(due=HOUR))
        await store.pause(KIND)
        assert 3590 < (await store.look(5)).next_due <= 3600  # type: ignore[operator]
        assert await store.state() == "scheduled"
        assert await store.parked(KIND) == []

    @pytest.mark.parametrize("priority", PRIORITIES)
    async def test_a_resume_puts_each_job_back_to_its_old_place(
        self, store: Store, priority: Priority
    ) -> None:
        await store.enqueue(a_job(priority=priority))
        await store.age("a", timedelta(seconds=7))
        due = await store.score()
        await store.pause(KIND)
        await store.claim(5)
        assert await store.score() is None
        assert (await store.resume(KIND))[1] == 0
        assert (await store.score(), await store.priority()) == (due, priority)
        assert await store.tokens() == 1
        assert not {store.queue.pause, store.queue.parked(KIND)} & await store.keys()

    async def test_a_resume_goes_in_steps_and_claims_bring_back_what_it_left(self, store: Store) -> None:
        """Whoever resumes may die half-way."""
        await store.put_aside(*(f"j{n}" for n in range(5)))
        pause, left = await store.resume(KIND, limit=2)
        assert pause is not None
        assert (pause.kind, pause.until, left) == (KIND, None, 3)
        assert await store.parked(KIND) == ["j2", "j3", "j4"]
        assert ids(await store.claim(9)) == ["j0", "j1", "j2", "j3", "j4"]
        assert not {store.queue.pause, store.queue.parked(KIND)} & await store.keys()

    async def test_a_kind_whose_time_is_over_comes_back_with_the_next_claim(self, store: Store) -> None:
        await store.put_aside("a", "b")
        await store.end_pause(KIND)
        assert ids(await store.claim(5)) == ["a", "b"]
        assert not {store.queue.pause, store.queue.parked(KIND)} & await store.keys()

    async def test_an_idle_queue_brings_back_what_is_over(self, store: Store) -> None:
        """Nothing else waits in it: no other key would make a claim look twice."""
        await store.put_aside("a")
        await store.end_pause(KIND)
        assert ids(await store.claim()) == ["a"]

    async def test_more_than_come_back_at_once_come_back_in_the_next_claims(self, store: Store) -> None:
        names = [f"j{n:04}" for n in range(600)]
        for at in range(0, 600, 100):
            await store.enqueue(*map(a_job, names[at : at + 100]))
        await store.pause(KIND)
        while (await store.look(100)).next_due == 0:
            pass
        assert len(await store.parked(KIND)) == 600
        await store.end_pause(KIND)
        assert (await store.look(1)).next_due == 0
        assert len(await store.parked(KIND)) == 100
        await store.look(1)
        assert await store.parked(KIND) == []

    async def test_a_kind_that_is_paused_anew_keeps_what_was_put_aside(self, store: Store) -> None:
        await store.put_aside("a", "b")
        await store.resume(KIND, limit=1)
        again = await store.pause(KIND, by="bob")
        assert again is not None
        assert again.by == "bob"
        assert await store.claim(5) == []
        assert await store.parked(KIND) == ["a", "b"]

    async def test_a_retry_of_a_paused_kind_waits_too(self, store: Store) -> None:
        job = await store.run()
        await store.pause(KIND)
        await store.settle(an_end(job, Verb.RETRYING, failure=a_failure(2)))
        assert await store.claim(5) == []
        await store.resume(KIND)
        [job] = await store.claim()
        assert (job.starts, job.spent) == (2, 2)

    async def test_an_orphan_of_a_paused_kind_is_put_aside_with_its_lapse(self, store: Store) -> None:
        job = await store.run()
        await store.expire_leases("a")
        await store.pause(KIND)
        assert await store.claim(5, worker="w2") == []
        assert await store.parked(KIND) == ["a"]
        assert [failure.cause for failure in await store.failures()] == [Cause.CRASH]
        assert await store.lease_end() is None
        assert await store.settle(an_end(job)) == [False], "it stands in no queue that a late end could empty"
        await store.resume(KIND)
        [again] = await store.claim(worker="w2")
        assert again.starts == 2

    async def test_a_job_that_arq_runs_is_not_put_aside(self, store: Store) -> None:
        """arq's worker removes it from the queue when it ends, and knows of no other place."""
        await store.enqueue(a_job())
        await store.give_to_arq()
        await store.pause(KIND)
        assert await store.claim(5) == []
        assert await store.parked(KIND) == []
        assert await store.state() == "running"

    async def test_a_running_job_that_arqs_abort_has_moved_is_not_put_aside(self, store: Store) -> None:
        job = await store.run()
        await store.pause(KIND)
        await store.call("ZADD", store.queue.ranks[2], 1, "a")
        assert await store.claim(5, worker="w2") == []
        assert await store.parked(KIND) == []
        assert await store.settle(an_end(job)) == [True]

    async def test_a_payload_of_arqs_that_is_put_aside_does_not_expire(self, store: Store) -> None:
        body = b'{"t":null,"f":"test.kind","a":[],"k":{},"et":1}'
        await store.call("SET", keys.JOB + "a", body, "PX", 60_000)
        await store.call("ZADD", store.queue.ranks[2], await store.now(), "a")
        await store.pause(KIND)
        assert await store.claim(5) == []
        assert await store.call("PTTL", keys.JOB + "a") == -1

    async def test_a_kind_is_told_from_one_that_an_argument_names(self, store: Store) -> None:
        body = b'{"m":{"v":1},"t":null,"f":"other.kind","a":[],"k":{"f":"test.kind"},"et":1}'
        await store.call("SET", keys.JOB + "a", body)
        await store.call("ZADD", store.queue.ranks[2], await store.now(), "a")
        await store.pause(KIND)
        assert ids(await store.claim(5)) == ["a"]

    async def test_a_job_without_an_envelope_is_not_held_up(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.call("DEL", keys.JOB + "a")
        await store.pause(KIND)
        assert ids(await store.claim(5)) == ["a"]

    async def test_queues_and_kinds_whose_names_run_together_are_apart(self, store: Store) -> None:
        one, other = keys.queue_keys("a:b"), keys.queue_keys("a")
        assert one.parked("c") != other.parked("b:c")

    async def test_ageing_counts_the_time_of_a_pause(self, store: Store) -> None:
        await store.enqueue(a_job("low", priority=Priority.LOW))
        await store.age("low", AGEING * 2)
        await store.pause(KIND)
        await store.claim(5)
        await store.enqueue(a_job("high", kind=OTHER, priority=Priority.HIGH))
        await store.resume(KIND)
        assert ids(await store.claim(2)) == ["low", "high"]

    # --- what was put aside is known to all

    async def test_a_job_that_was_put_aside_can_be_cancelled(self, store: Store) -> None:
        await store.put_aside("a")
        assert await store.cancel() is Cancellation.CANCELLED
        await store.resume(KIND)
        assert await store.claim(5) == []
        traces = ["monarq:stats:", "monarq:wake:", "monarq:reply:"]
        assert set(await store.dump(without=traces)) == {keys.RESULT + "a"}

    async def test_a_job_that_was_put_aside_exists(self, store: Store) -> None:
        await store.put_aside("a")
        assert await store.enqueue(a_job("a")) == [Accepted.EXISTS]
        await store.resume(KIND)
        assert ids(await store.claim(5)) == ["a"]

    async def test_who_waits_for_a_job_that_was_put_aside_is_told_of_its_end(self, store: Store) -> None:
        await store.put_aside("a")
        async with store.listen("here") as here:
            await store.inspect("a", "here")
            await store.cancel()
            assert await here.heard() == ["a"]

    @pytest.mark.parametrize("on_conflict", ["replace", "reschedule"])
    async def test_a_unique_job_that_was_put_aside_can_be_put_off(
        self, store: Store, on_conflict: Any
    ) -> None:
        rule = Unique(until="end", on_conflict=on_conflict)
        await store.enqueue(a_job("a", priority=Priority.HIGH, unique=rule))
        await store.pause(KIND)
        await store.claim(5)
        assert await store.enqueue(a_job("b", unique=rule, due=HOUR)) == [Held("a")]
        assert await store.parked(KIND) == []
        assert await store.state() == "scheduled"
        kept = Priority.HIGH if on_conflict == "reschedule" else Priority.NORMAL
        assert await store.priority() is kept

    # --- pauses themselves

    async def test_a_pause_says_by_whom_and_why_and_since_when(self, store: Store) -> None:
        before = await store.now()
        await store.pause(KIND, by="ann@web-1")
        await store.pause()
        flat = await store.call("HGETALL", store.queue.pause)
        whole, of_kind = read_pauses("default", flat, await store.now())
        assert (whole.kind, of_kind.kind) == (None, KIND)
        assert (of_kind.by, of_kind.why, of_kind.until, of_kind.now) == ("ann@web-1", "a test", None, False)
        assert before <= of_kind.at.timestamp() * 1000 <= await store.now()

    async def test_a_pause_that_cannot_be_read_holds_and_is_shown(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.call("HSET", store.queue.pause, "", "garbage")
        assert await store.claim(5) == []
        flat = await store.call("HGETALL", store.queue.pause)
        [pause] = read_pauses("default", flat, await store.now())
        assert "garbage" in pause.why
        await store.resume()
        assert ids(await store.claim(5)) == ["a"]

    async def test_a_pause_key_of_another_type_holds_nothing_up(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        await store.call("SET", store.queue.pause, "garbage")
        assert ids(await store.claim()) == ["a"]
        assert await store.state("b") == "ready"
        assert await store.state("c") == "unknown"
        assert await store.cancel("c") is Cancellation.UNKNOWN

    async def test_a_resume_of_what_is_not_paused_does_nothing(self, store: Store) -> None:
        assert await store.resume() == (None, 0)
        assert await store.resume(KIND) == (None, 0)
        assert await store.keys() == set()

    async def test_a_resume_ends_one_pause_only(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b", kind=OTHER))
        await store.pause()
        await store.pause(KIND)
        await store.pause(OTHER)
        await store.resume()
        await store.resume(OTHER)
        assert ids(await store.claim(5, lease=LEASE)) == ["b"]
        assert await store.parked(KIND) == ["a"]
