"""What a claim promises."""

from datetime import timedelta

import pytest

from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store import keys
from monarq.jobs.store.keys import QueueKeys, queue_keys
from monarq.jobs.store.verbs import FENCE_GRACE_MS, Claimed, Renewal, Verb

from .store import AGEING, LEASE, Store, a_failure, a_job, a_lease, an_end

HOUR = timedelta(hours=1)
LEASE_MS = 30_000


def ids(jobs: list[Claimed]) -> list[str]:
    return [job.job_id for job in jobs]


async def enqueue_to(store: Store, queue: QueueKeys, *job_ids: str) -> None:
    await Store(store.transport, store.client, queue).enqueue(*map(a_job, job_ids))


class ClaimRules:
    """ready -> running"""

    async def test_an_empty_queue_gives_nothing_and_costs_no_write(self, store: Store) -> None:
        reply = await store.look(5)
        assert (reply.jobs, reply.next_due) == ([], None)
        assert await store.keys() == set()

    async def test_a_claimed_job_comes_with_all_that_its_worker_needs(self, store: Store) -> None:
        await store.enqueue(a_job())
        due, body = await store.score(), await store.call("GET", keys.JOB + "a")
        before = await store.now()
        [job] = await store.claim()
        assert job.queue is store.queue
        assert (job.job_id, job.starts, job.visible_at_ms, job.body) == ("a", 1, due, body)
        assert (job.spent, job.crashes, job.lapses, job.abort_asked) == (0, 0, 0, False)
        assert before <= job.claimed_at_ms <= await store.now()

    async def test_no_more_than_asked_for_are_claimed(self, store: Store) -> None:
        await store.enqueue(*(a_job(f"j{n}") for n in range(5)))
        assert ids(await store.claim(3)) == ["j0", "j1", "j2"]
        assert ids(await store.claim(3)) == ["j3", "j4"]

    async def test_a_running_job_is_not_claimed_again(self, store: Store) -> None:
        await store.run()
        assert await store.claim(5, worker="w2") == []
        assert await store.state() == "running"

    async def test_the_lease_ends_at_the_servers_now_plus_its_length(self, store: Store) -> None:
        job = await store.run()
        assert await store.lease_end() == job.claimed_at_ms + LEASE_MS
        assert await store.score() == job.claimed_at_ms + LEASE_MS

    async def test_the_fence_names_owner_and_start_and_outlives_the_lease(self, store: Store) -> None:
        await store.run(worker="w7")
        assert await store.call("GET", keys.FENCE + "a") == b"w7:1"
        left = await store.call("PTTL", keys.FENCE + "a")
        assert LEASE_MS < left <= LEASE_MS + FENCE_GRACE_MS

    async def test_a_running_job_has_no_time_to_live_but_its_fence(self, store: Store) -> None:
        await store.run()
        mortal = {key for key in await store.keys() if await store.call("PTTL", key) != -1}
        assert mortal == {keys.FENCE + "a", store.queue.reply("claim0", "w1")}

    async def test_every_start_is_counted(self, store: Store) -> None:
        await store.enqueue(a_job())
        starts = []
        for _ in range(3):
            [job] = await store.claim()
            starts.append(job.starts)
            await store.settle(an_end(job, Verb.RETRYING, failure=a_failure()))
        assert starts == [1, 2, 3]
        assert (await store.stats())["started"] == 3

    async def test_what_was_spent_before_comes_with_the_job(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job, Verb.RETRYING, failure=a_failure(3, crashes=2, lapses=1)))
        [job] = await store.claim()
        assert (job.spent, job.crashes, job.lapses) == (3, 2, 1)

    # --- in which order

    async def test_the_longest_waiting_comes_first_within_a_priority(self, store: Store) -> None:
        await store.enqueue(a_job("young"), a_job("old"), a_job("middle"))
        await store.age("old", timedelta(seconds=2))
        await store.age("middle", timedelta(seconds=1))
        assert ids(await store.claim(3)) == ["old", "middle", "young"]

    async def test_priorities_are_served_strictly(self, store: Store) -> None:
        await store.enqueue(*(a_job(priority, priority=priority) for priority in reversed(PRIORITIES)))
        await store.age("low", AGEING / 2)
        assert [ids(await store.claim()) for _ in range(4)] == [["critical"], ["high"], ["normal"], ["low"]]

    async def test_a_higher_priority_fills_the_batch_before_a_lower_one_gets_a_place(
        self, store: Store
    ) -> None:
        await store.enqueue(a_job("low", priority=Priority.LOW))
        await store.age("low", AGEING / 2)
        await store.enqueue(*(a_job(f"high{n}", priority=Priority.HIGH) for n in range(3)))
        assert ids(await store.claim(3)) == ["high0", "high1", "high2"]

    async def test_waiting_for_the_ageing_time_counts_as_one_step(self, store: Store) -> None:
        await store.enqueue(a_job("n", priority=Priority.NORMAL), a_job("l", priority=Priority.LOW))
        await store.age("n", timedelta(seconds=1))
        await store.age("l", AGEING)
        assert ids(await store.claim(2)) == ["l", "n"]

    async def test_one_step_is_not_two(self, store: Store) -> None:
        await store.enqueue(a_job("h", priority=Priority.HIGH), a_job("l", priority=Priority.LOW))
        await store.age("l", AGEING * 2 - timedelta(seconds=5))
        assert ids(await store.claim(2)) == ["h", "l"]

    async def test_after_long_enough_the_lowest_goes_before_the_highest(self, store: Store) -> None:
        await store.enqueue(a_job("c", priority=Priority.CRITICAL), a_job("l", priority=Priority.LOW))
        await store.age("c", timedelta(seconds=5))
        await store.age("l", AGEING * 10)
        assert ids(await store.claim(2)) == ["l", "c"]

    async def test_a_retry_waits_anew(self, store: Store) -> None:
        """Ageing counts from when a job became due, else what fails and fails would overtake all."""
        await store.enqueue(a_job("l", priority=Priority.LOW))
        await store.age("l", AGEING * 10)
        [job] = await store.claim()
        await store.settle(an_end(job, Verb.RETRYING, failure=a_failure()))
        await store.enqueue(a_job("n"))
        assert ids(await store.claim(2)) == ["n", "l"]

    async def test_queues_are_served_in_the_order_of_the_request(self, store: Store) -> None:
        """The worker draws that order by its weights; the store follows it to the letter."""
        mail, image = queue_keys("mail"), queue_keys("image")
        await enqueue_to(store, image, "i1", "i2")
        await enqueue_to(store, mail, "m1", "m2")
        jobs = await store.claim(3, queues=[mail, image])
        assert [(job.job_id, job.queue) for job in jobs] == [("m1", mail), ("m2", mail), ("i1", image)]

    async def test_a_queue_that_is_served_first_does_not_starve_by_an_empty_one(self, store: Store) -> None:
        mail, image = queue_keys("mail"), queue_keys("image")
        await enqueue_to(store, image, "i1")
        reply = await store.look(5, queues=[mail, image])
        assert ids(reply.jobs) == ["i1"]
        assert reply.next_due == pytest.approx(30)

    # --- what comes next

    async def test_a_job_is_not_claimed_before_its_time(self, store: Store) -> None:
        await store.enqueue(a_job(due=HOUR))
        reply = await store.look(5)
        assert reply.jobs == []
        assert reply.next_due == pytest.approx(3600, abs=5)

    async def test_the_reply_tells_when_the_next_job_is_due(self, store: Store) -> None:
        await store.enqueue(a_job("later", due=HOUR), a_job("soon", due=timedelta(seconds=20)), a_job("now"))
        reply = await store.look(5)
        assert ids(reply.jobs) == ["now"]
        assert reply.next_due == pytest.approx(20, abs=5)

    async def test_a_lease_that_will_run_out_counts_as_a_job_that_will_be_due(self, store: Store) -> None:
        await store.run()
        assert (await store.look(5)).next_due == pytest.approx(30, abs=5)

    async def test_jobs_that_are_left_are_due_now(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        assert (await store.look(1)).next_due == 0

    # --- repeats

    async def test_a_repeated_claim_gives_the_same_jobs(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b", priority=Priority.HIGH), a_job("c"))
        first = await store.claim(2, nonce="n")
        before = await store.dump()
        again = await store.claim(2, nonce="n")
        assert [(j.job_id, j.starts, j.body, j.visible_at_ms) for j in again] == [
            (j.job_id, j.starts, j.body, j.visible_at_ms) for j in first
        ]
        assert await store.dump() == before

    async def test_a_repeated_claim_tells_what_was_spent(self, store: Store) -> None:
        job = await store.run()
        await store.settle(an_end(job, Verb.RETRYING, failure=a_failure(2, crashes=1, lapses=3)))
        await store.claim(nonce="n")
        [job] = await store.claim(nonce="n")
        assert (job.spent, job.crashes, job.lapses) == (2, 1, 3)

    async def test_a_repeated_claim_tells_that_cancellation_was_asked_for(self, store: Store) -> None:
        job = await store.run()
        await store.cancel()
        await store.settle(an_end(job, Verb.RELEASED))
        await store.claim(nonce="n")
        [job] = await store.claim(nonce="n")
        assert job.abort_asked

    async def test_a_new_nonce_claims_other_jobs(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        await store.claim(nonce="n")
        assert ids(await store.claim(nonce="m")) == ["b"]

    async def test_a_nonce_belongs_to_one_worker(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        await store.claim(worker="w1", nonce="n")
        assert ids(await store.claim(worker="w2", nonce="n")) == ["b"]

    async def test_a_nonce_is_compared_as_a_whole(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        await store.claim(nonce="nn")
        assert ids(await store.claim(nonce="n")) == ["b"]

    async def test_a_repeat_leaves_out_what_another_worker_has_claimed_since(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        await store.claim(2, nonce="n")
        await store.expire_leases("a")
        await store.claim(worker="w2")
        assert ids(await store.claim(2, nonce="n")) == ["b"]

    async def test_only_a_job_whose_lease_ran_out_is_claimed_before_it_is_due(self, store: Store) -> None:
        """By that a worker tells whom it has taken over from somebody who was lost."""
        await store.run("a")
        await store.expire_leases("a")
        [taken_over] = await store.claim(worker="w2")
        assert taken_over.visible_at_ms == taken_over.claimed_at_ms + 1
        await store.settle(an_end(taken_over, Verb.RELEASED, worker="w2"))
        [again] = await store.claim()
        assert (again.job_id, again.lapses) == ("a", 1)
        assert again.visible_at_ms <= again.claimed_at_ms

    async def test_a_claim_that_gave_nothing_may_give_more_when_it_is_repeated(self, store: Store) -> None:
        assert await store.claim(nonce="n") == []
        await store.enqueue(a_job())
        assert ids(await store.claim(nonce="n")) == ["a"]

    # --- beside arq's own workers

    async def test_a_job_that_a_worker_of_arqs_runs_is_not_claimed(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.give_to_arq()
        reply = await store.look(5)
        assert reply.jobs == []
        assert 0 < (reply.next_due or 0) <= 1
        assert await store.call("GET", keys.FENCE + "a") == b"1"
        assert (await store.starts(), await store.lease_end()) == (0, None)
        assert await store.state() == "running"

    async def test_a_job_that_arq_runs_steps_aside_for_the_others(self, store: Store) -> None:
        """A hundred of them at the head must not starve a worker, as they do arq's own."""
        await store.enqueue(*(a_job(f"arq{n}") for n in range(3)))
        for n in range(3):
            await store.give_to_arq(f"arq{n}")
            await store.age(f"arq{n}", timedelta(seconds=10))
        await store.enqueue(a_job("ours"))
        found = [*await store.claim(3), *await store.claim(3)]
        assert ids(found) == ["ours"]

    async def test_a_job_that_arq_has_handed_back_is_claimed(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.give_to_arq()
        await store.claim()
        await store.call("DEL", keys.FENCE + "a")
        await store.age("a", timedelta(0))
        [job] = await store.claim()
        assert (job.job_id, job.starts) == ("a", 1)

    async def test_an_orphan_that_arq_has_taken_is_no_orphan_any_more(self, store: Store) -> None:
        await store.run()
        await store.expire_leases("a")
        await store.give_to_arq()
        assert await store.claim(worker="w2") == []
        assert await store.lease_end() is None
        assert await store.failures() == []

    async def test_a_running_job_that_arqs_abort_has_moved_is_not_claimed_again(self, store: Store) -> None:
        """`Job.abort()` of arq's gives any job whose score lies ahead the score 1: ours runs until then."""
        job = await store.run()
        await store.call("ZADD", store.queue.ranks[2], 1, "a")
        await store.call("ZADD", store.queue.abort, await store.now(), "a")
        assert await store.claim(5, worker="w2") == []
        assert await store.score() == await store.lease_end() == job.claimed_at_ms + LEASE_MS
        assert await store.renew(a_lease(job)) == [Renewal.ABORT_ASKED]

    async def test_a_waiting_job_that_arqs_abort_has_moved_is_claimed_and_says_so(self, store: Store) -> None:
        await store.enqueue(a_job(due=HOUR))
        await store.call("ZADD", store.queue.ranks[2], 1, "a")
        await store.call("ZADD", store.queue.abort, await store.now(), "a")
        [job] = await store.claim()
        assert job.abort_asked

    async def test_a_payload_of_arqs_loses_its_time_to_live_at_the_claim(self, store: Store) -> None:
        await self._enqueue_as_arq(store)
        [job] = await store.claim()
        assert job.body == b'{"t":null,"f":"f","a":[],"k":{},"et":1}'
        assert await store.call("PTTL", keys.JOB + "a") == -1

    async def test_a_counter_of_arqs_loses_its_time_to_live_at_the_claim(self, store: Store) -> None:
        """arq lets it expire after a day; the fence would then go back to a number that was given before."""
        await self._enqueue_as_arq(store)
        await store.call("SET", keys.STARTS + "a", 3, "PX", 60_000)
        [job] = await store.claim()
        assert job.starts == 4
        assert await store.call("PTTL", keys.STARTS + "a") == -1

    async def _enqueue_as_arq(self, store: Store) -> None:
        await store.call("SET", keys.JOB + "a", b'{"t":null,"f":"f","a":[],"k":{},"et":1}', "PX", 60_000)
        await store.call("ZADD", store.queue.ranks[2], await store.now(), "a")

    async def test_a_job_whose_envelope_is_gone_is_claimed_without_one(self, store: Store) -> None:
        """Its worker buries it; nobody else would ever tell what became of it."""
        await store.enqueue(a_job())
        await store.call("DEL", keys.JOB + "a")
        [job] = await store.claim()
        assert job.body is None

    async def test_a_job_whose_cancellation_was_asked_for_says_so(self, store: Store) -> None:
        await store.run("a")
        await store.run("b")
        await store.cancel("a")
        await store.expire_leases("a", "b")
        jobs = await store.claim(2, worker="w2")
        assert {job.job_id: job.abort_asked for job in jobs} == {"a": True, "b": False}

    # --- who is woken next

    async def test_a_drained_queue_takes_its_token_back(self, store: Store) -> None:
        await store.enqueue(a_job())
        await store.claim(2)
        assert await store.tokens() == 0

    async def test_a_claim_that_leaves_jobs_behind_passes_the_token_on(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        await store.take_token()
        await store.claim(1)
        assert await store.tokens() == 1

    async def test_a_worker_without_free_slots_passes_the_token_on(self, store: Store) -> None:
        """It will not be back when the next job is due; another worker must know of that time."""
        await store.enqueue(a_job("now"), a_job("soon", due=HOUR))
        await store.take_token()
        await store.claim(1)
        assert await store.tokens() == 1

    async def test_there_is_never_more_than_one_token(self, store: Store) -> None:
        await store.enqueue(*(a_job(f"j{n}") for n in range(4)))
        for _ in range(3):
            await store.claim(1)
            assert await store.tokens() == 1

    async def test_a_queue_that_was_not_looked_at_keeps_its_token(self, store: Store) -> None:
        mail, image = queue_keys("mail"), queue_keys("image")
        await enqueue_to(store, mail, "m")
        await enqueue_to(store, image, "i")
        await store.claim(1, queues=[mail, image])
        assert await store.call("LLEN", image.wake) == 1

    async def test_leases_of_different_lengths_stand_side_by_side(self, store: Store) -> None:
        await store.enqueue(a_job("a"), a_job("b"))
        [short] = await store.claim(lease=timedelta(seconds=2))
        [long] = await store.claim(lease=LEASE)
        assert await store.lease_end("a") == short.claimed_at_ms + 2000
        assert await store.lease_end("b") == long.claimed_at_ms + LEASE_MS
