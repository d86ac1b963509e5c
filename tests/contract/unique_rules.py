"""What a unique key promises to those who enqueue."""

from datetime import timedelta

import pytest

from monarq.jobs.envelope import decode
from monarq.jobs.priority import Priority
from monarq.jobs.store import keys
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.verbs import Accepted, Held, Verb
from monarq.jobs.unique import Event, Unique

from .store import Store, a_failure, a_job, an_end, digest_of

CREATED, EXISTS, CONFLICT = Accepted.CREATED, Accepted.EXISTS, Accepted.CONFLICT
HOUR = timedelta(hours=1)
HELD_BY_A = Held("a")
#: Where a job stands, and what tells others of it.
PLACES = ("arq:queue", "monarq:retrying:", "monarq:wake:")

RETURN = Unique()
REJECT = Unique(on_conflict="reject")
REPLACE = Unique(on_conflict="replace")
RESCHEDULE = Unique(on_conflict="reschedule")
THROTTLE = Unique.throttle(HOUR)
ALL = [RETURN, REJECT, REPLACE, RESCHEDULE]
EVERY_HOLD = [Unique(until="start"), Unique(until="success"), Unique(until="end"), THROTTLE]


def shown(rule: object) -> str:
    return f"{rule.held_until}-{rule.on_conflict}" if isinstance(rule, Unique) else str(rule)


async def hold(store: Store, how: str, rule: Unique = RETURN) -> None:
    """Let job `a` hold the key: ready, scheduled, retrying, or running."""
    await store.enqueue(a_job(content="first", due=HOUR if how == "scheduled" else HOUR * 0, unique=rule))
    if how in ("running", "retrying"):
        [job] = await store.claim()
    if how == "retrying":
        await store.settle(an_end(job, Verb.RETRYING, delay=HOUR, failure=a_failure()))
    assert (await store.state(), await store.holder()) == (how, "a")


async def bury(store: Store, rule: Unique) -> None:
    """Let job `a` hold the key and die, as a worker settles it."""
    await store.enqueue(a_job(unique=rule))
    [job] = await store.claim()
    key = "k" if rule.until == "end" else None
    await store.settle(an_end(job, Verb.DEAD, result=None, failure=a_failure(), key=key))


async def content(store: Store, job_id: str = "a") -> object:
    return decode(await store.call("GET", keys.JOB + job_id)).kwargs["content"]


class UniqueRules:
    """One job per key"""

    @pytest.mark.parametrize("rule", ALL, ids=shown)
    async def test_a_job_whose_key_is_free_is_written_and_holds_it(self, store: Store, rule: Unique) -> None:
        assert await store.enqueue(a_job(unique=rule)) == [CREATED]
        assert (await store.state(), await store.holder()) == ("ready", "a")
        assert await store.call("PTTL", store.queue.unique(digest_of("k"))) == -1

    @pytest.mark.parametrize("how", ["ready", "scheduled", "retrying", "running"])
    @pytest.mark.parametrize("rule", [RETURN, REJECT], ids=shown)
    async def test_a_held_key_keeps_a_second_job_out(self, store: Store, how: str, rule: Unique) -> None:
        await hold(store, how)
        before = await store.dump()
        assert await store.enqueue(a_job("b", content="second", due=HOUR * 2, unique=rule)) == [HELD_BY_A]
        assert await store.dump() == before

    async def test_keys_and_queues_do_not_know_each_other(self, store: Store) -> None:
        other = Store(store.transport, store.client, queue_keys("other"))
        await hold(store, "ready")
        assert await store.enqueue(a_job("b", unique=RETURN, key="l")) == [CREATED]
        assert await other.enqueue(a_job("c", unique=RETURN)) == [CREATED]

    async def test_jobs_without_a_key_are_written_whatever_becomes_of_the_others(self, store: Store) -> None:
        await hold(store, "ready")
        jobs = [a_job("b"), a_job("c", unique=RETURN), a_job("d"), a_job("e", unique=RETURN, key="l")]
        assert await store.enqueue(*jobs) == [CREATED, HELD_BY_A, CREATED, CREATED]
        assert {job.job_id for job in await store.claim(9)} == {"a", "b", "d", "e"}
        assert (await store.stats())["enqueued"] == 4

    async def test_of_two_in_one_call_the_first_holds_the_key(self, store: Store) -> None:
        jobs = [a_job(job_id, unique=RETURN) for job_id in "abc"]
        assert await store.enqueue(*jobs) == [CREATED, HELD_BY_A, HELD_BY_A]

    async def test_an_id_that_exists_is_that_job_and_takes_no_key(self, store: Store) -> None:
        """Else a repeat after a lost reply would find its own key held."""
        await hold(store, "ready")
        for rule in ALL:
            again, other = a_job(content="first", unique=rule), a_job(content="other", unique=rule, key="l")
            assert await store.enqueue(again, other) == [EXISTS, CONFLICT]
        assert await store.holder("l") is None

    async def test_a_repeat_of_the_call_that_followed_a_running_job_changes_nothing(
        self, store: Store
    ) -> None:
        await hold(store, "running")
        await store.enqueue(a_job("b", content="second", unique=REPLACE))
        before = await store.dump()
        assert await store.enqueue(a_job("b", content="second", unique=REPLACE)) == [EXISTS]
        assert await store.dump() == before

    async def test_a_key_that_is_held_wakes_nobody(self, store: Store) -> None:
        await hold(store, "ready")
        await store.take_token()
        await store.enqueue(a_job("b", unique=RETURN), a_job("c", unique=REJECT))
        assert await store.tokens() == 0

    # --- replace

    @pytest.mark.parametrize("how", ["ready", "scheduled", "retrying"])
    async def test_a_job_that_waits_is_replaced_in_all_but_its_id(self, store: Store, how: str) -> None:
        await hold(store, how)
        told, asked = await store.failures(), await store.now()
        job = a_job("b", content="second", due=HOUR * 2, priority=Priority.HIGH, unique=REPLACE)
        assert await store.enqueue(job) == [HELD_BY_A]
        assert (await content(store), await store.priority()) == ("second", Priority.HIGH)
        assert 0 <= (await store.score() or 0) - asked - 7_200_000 <= 5_000
        assert decode(await store.call("GET", keys.JOB + "a")).enqueued_ms >= asked
        assert await store.state() == ("retrying" if how == "retrying" else "scheduled")
        assert await store.failures() == told
        assert (await store.state("b"), await store.holder()) == ("unknown", "a")
        assert (await store.stats())["enqueued"] == 1

    async def test_what_is_replaced_in_the_same_call_waits_as_the_last_one_said(self, store: Store) -> None:
        jobs = [
            a_job("a", content="first", unique=REPLACE),
            a_job("b", content="last", due=HOUR, priority=Priority.LOW, unique=REPLACE),
        ]
        assert await store.enqueue(*jobs) == [CREATED, HELD_BY_A]
        assert (await content(store), await store.state()) == ("last", "scheduled")
        assert await store.priority() is Priority.LOW

    async def test_what_runs_is_not_replaced_but_followed(self, store: Store) -> None:
        await hold(store, "running")
        body = await store.call("GET", keys.JOB + "a")
        assert await store.enqueue(a_job("b", content="second", unique=REPLACE)) == [CREATED]
        assert await store.call("GET", keys.JOB + "a") == body
        assert (await store.holder(), await content(store, "b")) == ("b", "second")
        assert await store.enqueue(a_job("c", content="third", unique=REPLACE)) == [Held("b")]
        assert (await content(store, "b"), await store.state("c")) == ("third", "unknown")

    async def test_what_arq_runs_is_followed_too(self, store: Store) -> None:
        await hold(store, "ready")
        await store.give_to_arq()
        assert await store.enqueue(a_job("b", unique=REPLACE)) == [CREATED]

    async def test_what_is_about_to_be_cancelled_is_followed_too(self, store: Store) -> None:
        """Handed back while its cancellation was under way: what it was replaced with would be cancelled."""
        await store.enqueue(a_job(unique=RETURN))
        [job] = await store.claim()
        await store.cancel()
        await store.settle(an_end(job, Verb.RELEASED))
        assert await store.enqueue(a_job("b", unique=REPLACE)) == [CREATED]
        assert await store.holder() == "b"

    async def test_an_earlier_time_wakes_a_worker(self, store: Store) -> None:
        for rule in (REPLACE, RESCHEDULE):
            await hold(store, "scheduled")
            await store.take_token()
            await store.enqueue(a_job("b", content="second", unique=rule))
            assert (await store.tokens(), await store.state()) == (1, "ready")
            await store.cancel(result_ms=0)

    async def test_a_job_that_replaces_one_of_a_window_holds_the_key_as_its_own_rule_says(
        self, store: Store
    ) -> None:
        """Else the window would end before the job, and a second one would be let in."""
        await hold(store, "ready", THROTTLE)
        await store.enqueue(a_job("b", content="second", unique=REPLACE))
        assert await store.call("PTTL", store.queue.unique(digest_of("k"))) == -1

    async def test_a_window_does_not_grow_by_what_is_replaced_in_it(self, store: Store) -> None:
        await hold(store, "ready", THROTTLE)
        await store.call("PEXPIRE", store.queue.unique(digest_of("k")), 60_000)
        rule = Unique(until=HOUR, on_conflict="replace")
        assert await store.enqueue(a_job("b", content="second", unique=rule)) == [HELD_BY_A]
        assert 0 < await store.call("PTTL", store.queue.unique(digest_of("k"))) <= 60_000

    # --- reschedule

    @pytest.mark.parametrize("how", ["ready", "scheduled", "retrying"])
    async def test_a_job_that_waits_is_rescheduled_in_nothing_but_its_time(
        self, store: Store, how: str
    ) -> None:
        await hold(store, how)
        before, asked = await store.dump(without=PLACES), await store.now()
        job = a_job("b", content="second", due=HOUR * 2, priority=Priority.HIGH, unique=RESCHEDULE)
        assert await store.enqueue(job) == [HELD_BY_A]
        assert 0 <= (await store.score() or 0) - asked - 7_200_000 <= 5_000
        assert await store.dump(without=PLACES) == before

    async def test_what_runs_is_not_rescheduled(self, store: Store) -> None:
        await hold(store, "running")
        before = await store.dump()
        assert await store.enqueue(a_job("b", due=HOUR, unique=RESCHEDULE)) == [HELD_BY_A]
        assert await store.dump() == before

    # --- a holder that is gone holds nothing

    @pytest.mark.parametrize("rule", ALL, ids=shown)
    async def test_the_key_of_a_job_without_a_trace_is_free(self, store: Store, rule: Unique) -> None:
        """One of arq's own workers has run it, say, and forgot it; it knows of no unique keys."""
        await hold(store, "ready")
        await store.call("DEL", keys.JOB + "a", *store.queue.ranks)
        assert await store.enqueue(a_job("b", unique=rule)) == [CREATED]
        assert await store.holder() == "b"

    @pytest.mark.parametrize("until", ["start", "end"])
    async def test_a_dead_letter_holds_no_key_that_it_should_not(self, store: Store, until: Event) -> None:
        """Its worker could not read the record, say, and so did not know of the key."""
        await bury(store, Unique(until=until))
        await store.call("SET", store.queue.unique(digest_of("k")), "a")
        assert await store.enqueue(a_job("b", unique=RETURN)) == [CREATED]

    async def test_another_job_under_the_id_of_a_former_holder_holds_nothing(self, store: Store) -> None:
        await hold(store, "ready")
        await store.call("DEL", keys.JOB + "a", *store.queue.ranks)
        await store.enqueue(a_job("a"))
        assert await store.enqueue(a_job("b", unique=RETURN)) == [CREATED]

    async def test_a_key_of_another_type_stops_nothing(self, store: Store) -> None:
        """Not the enqueue, which mends it, nor the ends of jobs, which leave it alone."""
        key = store.queue.unique(digest_of("k"))
        await store.call("LPUSH", key, "rubbish")
        assert await store.enqueue(a_job(unique=Unique(until="start"))) == [CREATED]
        assert await store.holder() == "a"
        await store.call("DEL", key)
        await store.call("LPUSH", key, "rubbish")
        [job] = await store.claim()
        assert await store.settle(an_end(job, key="k")) == [True]
        assert await store.call("LLEN", key) == 1
