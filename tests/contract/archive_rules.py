"""What is promised of dead letters that move to PostgreSQL, come back from there, or are forgotten there."""

import pytest

from monarq.jobs.failure import Cause
from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store import keys
from monarq.jobs.store.letter_verbs import Revived
from monarq.jobs.store.verbs import Accepted, Held, Verb
from monarq.jobs.unique import Unique

from .store import Store, a_failure, a_job, an_end, digest_of
from .unique_rules import THROTTLE

UNTIL_SUCCESS, UNTIL_END = Unique(until="success"), Unique(until="end")
AGAIN = a_job("b", unique=UNTIL_SUCCESS)
TRACES = ["monarq:stats:", "monarq:reply:", "monarq:wake:"]
DAY_MS = 86_400_000
REPLAYED, BEFORE, ID_IN_USE = Revived.REPLAYED, Revived.BEFORE, Revived.ID_IN_USE


async def bury_unique(store: Store, rule: Unique = UNTIL_SUCCESS) -> bytes:
    """Make a dead letter of a job that holds the unique key `k`; its envelope."""
    await store.enqueue(a_job(unique=rule))
    [job] = await store.claim()
    await store.settle(an_end(job, Verb.DEAD, result=None, failure=a_failure()))
    body: bytes = await store.call("GET", keys.DEAD_LETTER + "a")
    return body


class ArchiveRules:
    """dead, in Redis -> dead, in PostgreSQL -> ready, or nothing"""

    # --- archive

    async def test_nothing_but_a_receipt_is_left_of_an_archived_letter(self, store: Store) -> None:
        await store.bury()
        died = await store.died_ms()
        assert await store.archive("a") == [True]
        assert await store.dump(without=TRACES) == {store.queue.archived: [f"{died}:a".encode()]}

    async def test_the_result_of_an_archived_letter_stays_readable(self, store: Store) -> None:
        await store.bury(result=b"failed")
        await store.archive("a")
        assert await store.call("GET", keys.RESULT + "a") == b"failed"

    async def test_archiving_twice_answers_twice_and_does_it_once(self, store: Store) -> None:
        await store.bury()
        died = await store.died_ms()
        assert await store.archive("a") == [True]
        before = await store.dump()
        assert await store.archive("a", died_ms=died) == [True]
        assert await store.dump() == before

    async def test_a_letter_whose_receipt_is_gone_cannot_be_archived_again(self, store: Store) -> None:
        await store.bury()
        died = await store.died_ms()
        await store.archive("a")
        await store.call("DEL", store.queue.archived)
        assert await store.archive("a", died_ms=died) == [False]

    async def test_only_the_letter_that_is_meant_is_archived(self, store: Store) -> None:
        """One that was replayed meanwhile, or has died once more, must not be taken for the copy."""
        await store.bury()
        await store.run("b")
        died = await store.died_ms()
        assert died is not None
        before = await store.dump()
        assert await store.archive("a", died_ms=died - 1) == [False]
        assert await store.archive("b", "nobody", died_ms=died) == [False, False]
        assert await store.dump() == before

    async def test_a_living_job_keeps_all_that_it_has(self, store: Store) -> None:
        """An entry in the list of the dead alone makes no dead letter."""
        await store.run("a")
        await store.call("ZADD", store.queue.dead, 1, "a")
        await store.call("SET", keys.STARTS + "a", 3)
        before = await store.dump()
        assert await store.archive("a", died_ms=1) == [False]
        assert await store.dump() == before

    async def test_an_archived_letter_holds_its_unique_key_as_it_did(self, store: Store) -> None:
        await bury_unique(store)
        await store.archive("a", hold_ms=DAY_MS)
        assert await store.enqueue(AGAIN) == [Held("a")]
        assert 0 < await store.call("PTTL", store.queue.unique(digest_of("k"))) <= DAY_MS

    async def test_an_archived_letter_holds_no_key_that_is_anothers(self, store: Store) -> None:
        await bury_unique(store)
        await store.call("SET", store.queue.unique(digest_of("k")), "b")
        await store.archive("a", hold_ms=DAY_MS)
        assert await store.call("PTTL", store.queue.unique(digest_of("k"))) == -1

    # --- revive

    async def test_a_revived_letter_is_ready_with_its_envelope_and_its_past(self, store: Store) -> None:
        past = [a_failure(1, message="first").encode(), b"\x80 no: json\0", b""]
        assert await store.revive("a", body=b"\x80body", failures=past, starts=7) == [REPLAYED]
        assert await store.state() == "ready"
        assert await store.call("GET", keys.JOB + "a") == b"\x80body"
        *kept, mark = await store.call("LRANGE", keys.FAILURES + "a", 0, -1)
        assert kept == past
        assert b'"cause":"replay"' in mark
        assert await store.starts() == 7
        assert (await store.stats())["replayed"] == 1

    @pytest.mark.parametrize("priority", PRIORITIES)
    async def test_it_comes_back_where_it_is_sent(self, store: Store, priority: Priority) -> None:
        await store.revive("a", priority=priority)
        assert await store.priority() is priority

    async def test_a_revived_letter_has_a_fresh_budget_and_its_fence_counts_on(self, store: Store) -> None:
        await store.revive("a", failures=[a_failure(5, crashes=2).encode()], starts=5)
        [job] = await store.claim()
        assert (job.spent, job.crashes, job.starts) == (0, 0, 6)

    async def test_a_fence_that_is_ahead_of_the_letter_stays_ahead(self, store: Store) -> None:
        await store.call("SET", keys.STARTS + "a", 9)
        await store.revive("a", starts=5)
        assert await store.starts() == 9

    async def test_a_letter_is_revived_once_whatever_has_become_of_its_job(self, store: Store) -> None:
        assert await store.revive("a", died_ms=5) == [REPLAYED]
        assert await store.revive("a", died_ms=5) == [BEFORE]
        [job] = await store.claim()
        await store.settle(an_end(job, result=None))
        assert await store.revive("a", died_ms=5) == [BEFORE]
        assert await store.state() == "unknown"
        assert await store.revive("a", died_ms=6) == [REPLAYED]
        assert (await store.stats())["replayed"] == 2

    async def test_a_receipt_of_the_move_is_void_once_the_letter_is_replayed_or_forgotten(
        self, store: Store
    ) -> None:
        """Else a slow archiver that has read the letter before would make one of it again."""
        for name, act in [("a", store.revive), ("b", store.forget)]:
            await store.bury(name)
            died = await store.died_ms(name)
            assert died is not None
            assert await store.archive(name) == [True]
            await act(name, died_ms=died)
            assert await store.archive(name, died_ms=died) == [False]
            await store.call("FLUSHALL")

    async def test_no_letter_takes_the_id_of_a_living_job(self, store: Store) -> None:
        await store.run("a")
        before = await store.dump()
        assert await store.revive("a") == [ID_IN_USE]
        assert await store.dump() == before

    async def test_no_letter_takes_the_id_of_another_letter(self, store: Store) -> None:
        await store.bury("a")
        before = await store.dump()
        assert await store.revive("a") == [ID_IN_USE]
        assert await store.dump() == before

    async def test_an_old_result_does_not_hide_a_revived_job(self, store: Store) -> None:
        await store.call("SET", keys.RESULT + "a", b"failed")
        await store.revive("a")
        assert await store.state() == "ready"

    async def test_a_revived_letter_wakes_a_worker(self, store: Store) -> None:
        await store.revive("a")
        assert await store.tokens() == 1

    async def test_a_revived_job_holds_its_unique_key_until_it_succeeds(self, store: Store) -> None:
        body = await bury_unique(store)
        await store.archive("a", hold_ms=DAY_MS)
        assert await store.revive("a", body=body) == [REPLAYED]
        assert await store.call("PTTL", store.queue.unique(digest_of("k"))) == -1
        assert await store.enqueue(AGAIN) == [Held("a")]
        [job] = await store.claim()
        await store.settle(an_end(job, key="k"))
        assert await store.enqueue(AGAIN) == [Accepted.CREATED]

    async def test_a_revived_job_takes_a_key_that_is_free_and_none_that_is_held(self, store: Store) -> None:
        body = await bury_unique(store, UNTIL_END)
        await store.archive("a")
        await store.call("DEL", store.queue.unique(digest_of("k")))
        await store.revive("a", body=body)
        assert await store.holder() == "a"
        await store.call("SET", store.queue.unique(digest_of("k")), "b", "PX", DAY_MS)
        await store.revive("c", body=body)
        assert await store.holder() == "b"
        assert await store.call("PTTL", store.queue.unique(digest_of("k"))) > 0

    async def test_a_revived_job_opens_no_window(self, store: Store) -> None:
        window = a_job("a", unique=THROTTLE).head + b"1}"
        await store.revive("a", body=window)
        assert await store.holder() is None

    # --- forget

    async def test_forgotten_letters_are_counted_as_what_they_are(self, store: Store) -> None:
        await store.forget("a", "b")
        await store.forget("c", counter="pruned")
        stats = await store.stats()
        assert (stats["discarded"], stats["pruned"]) == (2, 1)

    async def test_a_forgotten_letter_frees_the_unique_key_that_it_held(self, store: Store) -> None:
        await bury_unique(store)
        await store.archive("a", hold_ms=DAY_MS)
        await store.forget("a", key="k")
        assert await store.enqueue(AGAIN) == [Accepted.CREATED]

    async def test_a_forgotten_letter_frees_no_key_of_another(self, store: Store) -> None:
        await store.call("SET", store.queue.unique(digest_of("k")), "b", "PX", DAY_MS)
        await store.forget("a", key="k")
        assert await store.holder() == "b"

    async def test_a_forgotten_letter_frees_no_key_of_a_living_job_of_its_id(self, store: Store) -> None:
        await store.enqueue(a_job(unique=UNTIL_SUCCESS))
        await store.forget("a", key="k")
        assert await store.holder() == "a"

    async def test_the_mark_of_a_replay_is_the_last_record(self, store: Store) -> None:
        await store.revive("a", failures=[a_failure().encode()])
        assert [failure.cause for failure in await store.failures()] == [Cause.ERROR, Cause.REPLAY]
