"""The contract is no paper tiger: a store without one of its guards is caught by at least one rule."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest

from monarq.jobs.store import scripts
from monarq.jobs.store.keys import queue_keys

from .contract import StoreContract
from .counting_mutants import COUNTING
from .fake import FakeTransport
from .listing_mutants import LISTING
from .mutant import Mutant
from .restoring_mutants import RESTORING
from .store import Store

#: Of what runs operations.
OPERATING = {
    "taking what is not begun": Mutant("operation_take", "not found[1] or found[2]", "found[2]"),
    "taking what has ended": Mutant("operation_take", "not found[1] or found[2]", "not found[1]"),
    "taking what another has": Mutant("operation_take", "tonumber(found[4]) > now", "false"),
    "never taking what another had": Mutant("operation_take", "tonumber(found[4]) > now", "true"),
    "taking for ever": Mutant("operation_take", "text(now + ARGV[2])", "text(now * 2)"),
    "anybody says how far it is": Mutant("operation_advance", "found[1] ~= ARGV[1]", "not found[1]"),
    "an end that cannot be told again": Mutant(
        "operation_advance", "found[2] and found[2] == ARGV[4]", "false"
    ),
    "another end after the end": Mutant("operation_advance", "found[2] and found[2] == ARGV[4]", "found[2]"),
    "an end that is kept for ever": Mutant("operation_advance", "redis.call('PEXPIRE'", "--"),
    "words that renew nothing": Mutant(
        "operation_advance", "redis.call('HSET', KEYS[1], 'lease', text(now_ms() + ARGV[2]))", ""
    ),
    "nobody is told to end": Mutant("operation_advance", "end\nreturn found[3] and 2 or 1", "end\nreturn 1"),
}

#: Of what moves jobs that wait.
MOVING = {
    "moving what runs": Mutant("move", "redis.call('EXISTS', KEY.fence .. id) == 1 or ", ""),
    "moving what no worker has given back": Mutant("move", " or redis.call('ZSCORE', KEYS[5], id)", ""),
    "moving what is to be cancelled": Mutant(
        "move", "if redis.call('ZSCORE', KEYS[6], id) then", "if false then"
    ),
    "moving to a time in the past": Mutant("move", "math.min(place.visible_at, now)", "score"),
    "moving that takes away what was waited": Mutant("move", "math.min(place.visible_at, now)", "now"),
    "moving into two places": Mutant("move", "if target ~= place.key then", "if false then"),
    "moving that forgets to tell the envelope": Mutant("move", "    rewrite(rank)\n", ""),
    "moving that tells the envelope twice": Mutant("move", """string.gsub(meta, ',"p":"%l+"', '')""", "meta"),
    "moving that touches what arq has written": Mutant("move", '("[uv]"[^}]*)', "([^}]*)"),
    "moving that wakes nobody": Mutant("move", "wake_for(score, now, 1, KEYS[8])", ""),
    "moving without a look at what is put aside": Mutant(
        "move", "local parked = find_parked(KEYS[7], id)", "local parked"
    ),
    "moving back what is put aside": Mutant("move", "place.is_parked and score <= now", "false"),
    "moving that takes the ended for gone": Mutant("move", "if not record then", "if true then"),
    "moving that takes the dead for ended": Mutant(
        "move", "if redis.call('EXISTS', KEY.dead_letter .. id) == 1 then", "if false then"
    ),
    "moving that cannot tell ends apart": Mutant(
        "move", """string.match(record, '^{"m":{[^}]-"s":"(%l+)"')""", "false"
    ),
}

MUTANTS = {
    "settle without its fence": Mutant("settle", "fences[i] ~= ARGV[a + 1] or", "not fences[i] or"),
    "settle without any fence": Mutant("settle", "fences[i] ~= ARGV[a + 1] or", ""),
    "settle without its nonce": Mutant("settle", "if kept then", "if false then"),
    "settle that counts an attempt twice": Mutant("settle", " or recorded[id] then", " then"),
    "renewal without its fence": Mutant("renew", "fences[i] == ARGV[a + 1]", "fences[i]"),
    "claim without its nonce": Mutant("claim", "if kept then", "if false then"),
    "claim without priorities": Mutant("claim", "rank < best_rank or (rank == best_rank and ", "("),
    "claim without ageing": Mutant("claim", "list.rank - math.floor((now - score) / ageing_ms)", "list.rank"),
    "claim of what arq runs": Mutant(
        "claim", "return fence and not string.find(fence, ':', 1, true)", "return false"
    ),
    "enqueue without the digest": Mutant("enqueue", "other ~= digest", "false"),
    "enqueue over dead letters": Mutant("enqueue", "redis.call('EXISTS', unpack(marks)) == 0 and ", ""),
    "more than one token": Mutant("enqueue", "if redis.call('LLEN', wake) == 0 then", "if true then"),
    "cancel of what runs": Mutant(
        "cancel", "if redis.call('EXISTS', KEY.fence .. id) == 1 then", "if false then"
    ),
    "cancel that forgets who asked first": Mutant("cancel", "HSETNX", "HSET"),
    "cancel that has forgotten what it did": Mutant(
        "cancel", """string.find(record, '^{"m":{[^}]-"s":"cancelled"')""", "false"
    ),
    "settle that makes a job wait before it is cancelled": Mutant(
        "settle", "asked[i] and 0 or tonumber(", "tonumber("
    ),
    "settle that tells nobody of a cancellation too late": Mutant(
        "settle", "asked[i] and verb ~= 'cancelled'", "false"
    ),
    "settle that takes its own cancellation for one too late": Mutant(
        "settle", "asked[i] and verb ~= 'cancelled'", "asked[i]"
    ),
    "settle that keeps who asked": Mutant("settle", "redis.pcall('HDEL', KEYS[11], unpack(ended))", ""),
    "settle that counts no causes": Mutant("settle", "      count_cause(failure)", "      "),
    "settle without a look at the list of failures": Mutant(
        "settle", "is_error(redis.pcall('RPUSH', KEY.failures .. id, failure))", "false"
    ),
    "settle without a look at the counter": Mutant(
        "settle", "if not count_start(id, fence) then", "if false then"
    ),
    "settle over a result that cannot be read": Mutant(
        "settle", "if before and is_error(before) then", "if false then"
    ),
    "claim of any counter": Mutant("claim", "if not string.find(counted, COUNT) then", "if false then"),
    "claim of any budget": Mutant("claim", "not spent and 'failures' or", ""),
    "claim that waits for a fence for ever": Mutant(
        "claim", "return is_foreign(fence) and redis.call('PTTL', KEY.fence .. id) == -1", "return false"
    ),
    "claim that does not see a fence of another type": Mutant(
        "claim", "(is_error(held) or is_stuck(job.id, held))", "is_stuck(job.id, held)"
    ),
    "claim that takes a strange envelope for none": Mutant("claim", "fault = 'job' --", "--"),
    "claim that tells nobody who asked": Mutant(
        "claim",
        "type(note) == 'string' and note or ''",
        "''",
    ),
    "orphans without a look at their fence": Mutant(
        "claim",
        "local fence, fault = read('fence', id, '')",
        "local fence, fault = redis.call('GET', KEY.fence .. id)",
    ),
    "orphans without a look at their counter": Mutant(
        "claim", "read('starts', id, COUNT)", "redis.call('GET', KEY.starts .. id)"
    ),
    "orphans without a look at what was set aside": Mutant("claim", " or unreadable or quarantined(id)", ""),
    "replay over a list that cannot be read": Mutant(
        "replay", "is_error(redis.pcall('RPUSH', KEY.failures .. id, ARGV[a + 2]))", "false"
    ),
    "enqueue over a record that cannot be read": Mutant(
        "enqueue", "if is_error(record) then", "if false then"
    ),
    "replay of other queues": Mutant(
        "replay", "local score = redis.call('ZSCORE', KEYS[7], id)", "local score = '0'"
    ),
    "replay of a later letter": Mutant(
        "replay", " and (died == '' or tonumber(died) == tonumber(score))", ""
    ),
    "replay without the edit": Mutant("replay", "if body ~= '' then", "if false then"),
    "discard of a later letter": Mutant(
        "discard", " and (died == '' or tonumber(died) == tonumber(score))", ""
    ),
    "discard of what is to be kept": Mutant("discard", " and left > keep", ""),
    "browse without a budget": Mutant("browse", "if budget < 0 then", "if false then"),
    "browse that falls over a strange key": Mutant("browse", "redis.pcall(...)", "redis.call(...)"),
    "claim from a paused queue": Mutant("claim", "paused.whole = true", "paused.whole = false"),
    "claim of a paused kind": Mutant("claim", "paused.kinds[kind] = true", "paused.whole = false"),
    "a pause that never is over": Mutant("claim", "if ends and ends <= now then", "if false then"),
    "a pause whose end wakes nobody": Mutant("claim", "if paused and paused.over then", "if false then"),
    "claim that puts aside what somebody runs": Mutant(
        "claim", "(job.orphan or redis.call('EXISTS', KEY.fence .. job.id) == 0)", "true"
    ),
    "claim that puts aside without a bound": Mutant(
        "claim", "while looked_at < PUT_ASIDE_AT_ONCE do", "while true do"
    ),
    "an orphan that is put aside with its fence": Mutant(
        "claim", "if job.orphan then -- nobody runs it", "if false then -- nobody runs it"
    ),
    "a resume that forgets priorities": Mutant(
        "resume", "'ZADD', KEYS[first_rank + rank]", "'ZADD', KEYS[first_rank]"
    ),
    "a resume that wakes nobody": Mutant("resume", "push_token(KEYS[6])", ""),
    "a resume that leaves the pause to those who are left": Mutant(
        "resume", "'\"until_ms\":' .. text(now_ms())", "'\"until_ms\":null'"
    ),
    "cancel that does not look at what is put aside": Mutant(
        "cancel", "not waiting and find_parked(KEYS[9], id)", "false"
    ),
    "inspect that does not look at what is put aside": Mutant(
        "inspect", "local parked = find_parked(KEYS[6], id)", "local parked"
    ),
    "discard of the living": Mutant("discard", "if codes[i] == 1 then", "if true then"),
    "a key that nobody holds": Mutant("enqueue", "if type(holder) ~= 'string' then", "if true then"),
    "a key held by another job of that id": Mutant(
        "enqueue", "if held == digest then", "if redis.call('EXISTS', KEY.job .. holder) == 1 then"
    ),
    "a key held by every dead letter": Mutant(
        "enqueue", "(held_until == 'success' and held_by_dead == digest)", "held_by_dead == digest"
    ),
    "a key held by no dead letter": Mutant(
        "enqueue", "(held_until == 'success' and held_by_dead == digest)", "false"
    ),
    "a window that ends with its job": Mutant("enqueue", "redis.call('PTTL', key) > 0", "false"),
    "a window without an end": Mutant(
        "enqueue", "redis.call('SET', key, id, 'PX', window_ms)", "redis.call('SET', key, id)"
    ),
    "a window that outlives its rule": Mutant("enqueue", "redis.call('PERSIST', key)", ""),
    "replacing what runs": Mutant(
        "enqueue", "if holder and not (on_conflict == 'replace' and standing == 'runs')", "if holder"
    ),
    "replacing what is being cancelled": Mutant("enqueue", " or redis.call('ZSCORE', aborts, holder)", ""),
    "replacing without a new place": Mutant(
        "enqueue", "put_off(holder, score, rank)", "put_off(holder, score)"
    ),
    "rescheduling what runs": Mutant(
        "enqueue", "standing == 'waits' and on_conflict == 'reschedule'", "on_conflict == 'reschedule'"
    ),
    "unique before the id": Mutant(
        "enqueue", "(not fresh or unique) and existing(id)", "not fresh and existing(id)"
    ),
    "putting off unnoticed": Mutant(
        "enqueue", "earliest = math.min(earliest or score, score)\n        return", "return"
    ),
    "refused, and yet written": Mutant("enqueue", "redis.call('DEL', KEY.job .. added[other][i])", ""),
    "refused, and yet in a queue": Mutant("enqueue", "if other < rank then", "if false then"),
    "refused after a key was taken": Mutant("enqueue", "any_unique and 4 or 0", "0"),
    "starting frees nothing": Mutant("claim", 'if head == \'{"m":{"u\' then', "if false then"),
    "starting frees every key": Mutant("claim", "if held_until == 'start' then", "if digest then"),
    "an end frees another's key": Mutant("settle", "elseif redis.pcall('GET', key) == id then", "else"),
    "a release takes no key": Mutant("settle", "hold_unique(verb == 'released',", "hold_unique(false,"),
    "a release takes another's key": Mutant(
        "settle", "redis.call('SET', key, id, 'NX')", "redis.call('SET', key, id)"
    ),
    "an end frees nothing": Mutant("settle", "hold_unique(verb == 'released', KEYS[7], digest, id)", ""),
    "cancelling frees nothing": Mutant(
        "cancel", "if digest and held_until ~= 'window' then", "if false then"
    ),
    "a kept end that is forgotten": Mutant("settle", "if keep ~= '' then", "if false then"),
    "ends that are all kept": Mutant(
        "settle", "if #verb > LONGEST_VERB then", "keep_end(i, verb)\n    if #verb > LONGEST_VERB then"
    ),
    "a durable job that is cancelled at once": Mutant("cancel", "if is_durable() then", "if false then"),
    "any job is taken for a durable one": Mutant("cancel", "if is_durable() then", "if true then"),
    "a durable job with a unique key is not known": Mutant(
        "cancel", '    or string.find(body, \'^{"m":{"u":"%l+:%x+","v":1,"d":1[,}]\')', ""
    ),
    "a durable job that is cancelled when its time has come": Mutant("cancel", "  make_due()\n", ""),
    "cancelling a durable job makes it wait longer": Mutant("cancel", "'XX', 'LT', ", "'XX', "),
    "cancelling a durable job wakes nobody": Mutant("cancel", "push_token(KEYS[11])", ""),
    "cancelling ends a window": Mutant(
        "cancel", "if digest and held_until ~= 'window' then", "if digest then"
    ),
    "settle that tells its past unasked": Mutant("settle", "if ARGV[3] == '1' and", "if"),
    "settle that tells no past": Mutant("settle", "if ARGV[3] == '1' and", "if false and"),
    "settle that tells the past as long as it is": Mutant("settle", "past_bytes < MOST_PAST_BYTES and ", ""),
    "settle that tells the past of the one for the other": Mutant(
        "settle", "pasts[i] = past_of(id)", "pasts[1] = past_of(id)"
    ),
    "settle that tells its past once": Mutant("settle", "any_past and with_pasts(true) or codes", "codes"),
    "settle that tells what is no record": Mutant(
        "settle", "if string.find(record, '^{[^\\n]*$') then", "if true then"
    ),
    "cancel that hands over what nobody wants": Mutant(
        "cancel", "if redis.call('EXISTS', KEYS[13]) == 1 then", "if true then"
    ),
    "cancel that hands over without end": Mutant("cancel", "length > LONGEST_ENDED", "false"),
    "discarding frees nothing": Mutant("discard", "if held_until == 'success' then", "if false then"),
    "discarding ends a window": Mutant("discard", "if held_until == 'success' then", "if digest then"),
    "archive of a later letter": Mutant("archive", "score and tonumber(died) == tonumber(score)", "score"),
    "archive of the living": Mutant("archive", " and redis.call('EXISTS', KEY.dead_letter .. id) == 1", ""),
    "archive without a receipt": Mutant("archive", "redis.call('SADD', KEYS[2], receipt)", ""),
    "archive that does not know its receipts": Mutant(
        "archive", "redis.call('SISMEMBER', KEYS[2], receipt)", "0"
    ),
    "archiving frees a key": Mutant(
        "archive", "redis.call('PEXPIRE', key, ARGV[1])", "redis.call('DEL', key)"
    ),
    "archiving holds a key for ever": Mutant("archive", "redis.call('PEXPIRE', key, ARGV[1])", ""),
    "archiving ends another's key": Mutant(
        "archive",
        "if redis.pcall('GET', key) == id then\n        redis.call('PEXPIRE'",
        "if true then\n        redis.call('PEXPIRE'",
    ),
    "revive without a receipt": Mutant("revive", "redis.call('SADD', KEYS[7], receipt)", ""),
    "revive that does not know its receipts": Mutant(
        "revive", "redis.call('SISMEMBER', KEYS[7], receipt) == 1", "false"
    ),
    "revive over the living": Mutant("revive", "'EXISTS', KEY.job .. id, ", "'EXISTS', "),
    "revive over another letter": Mutant("revive", "KEY.job .. id, KEY.dead_letter .. id)", "KEY.job .. id)"),
    "revive with old fences": Mutant(
        "revive", "starts > (tonumber(redis.pcall('GET', KEY.starts .. id)) or 0)", "true"
    ),
    "revive under an old result": Mutant("revive", "KEY.result .. id, KEY.corrupt", "KEY.corrupt"),
    "reviving takes no key": Mutant("revive", "if digest and held_until ~= 'window' then", "if false then"),
    "reviving opens a window": Mutant(
        "revive", "if digest and held_until ~= 'window' then", "if digest then"
    ),
    "reviving leaves its key an end": Mutant("revive", "redis.call('PERSIST', key)", ""),
    "reviving keeps another's key for ever": Mutant(
        "revive",
        "if redis.pcall('GET', key) == id then\n        redis.call('PERSIST'",
        "if true then\n        redis.call('PERSIST'",
    ),
    "reviving leaves a receipt of the move": Mutant("revive", "redis.call('SREM', KEYS[8], receipt)", ""),
    "forgetting leaves a receipt of the move": Mutant(
        "forget", "redis.call('SREM', KEYS[2], ARGV[a + 1] .. ':' .. id)", ""
    ),
    "forgetting frees nothing": Mutant("forget", "hold_unique(false, KEYS[1], digest, id)", ""),
    "forgetting frees a key of the living": Mutant("forget", "redis.call('PTTL', key) > 0", "true"),
    "replaying takes no key": Mutant("replay", "if digest and held_until ~= 'window' then", "if false then"),
    "replaying takes another's key": Mutant(
        "replay", "redis.call('SET', key, id, 'NX')", "redis.call('SET', key, id)"
    ),
    "replaying opens a window": Mutant(
        "replay", "if digest and held_until ~= 'window' then", "if digest then"
    ),
    **RESTORING,
    **OPERATING,
    **COUNTING,
    **MOVING,
}
MUTANTS |= LISTING


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with FakeTransport() as transport:
        yield Store(transport, transport.client, queue_keys("default"))


RULES = {
    name: rule
    for name, rule in inspect.getmembers(StoreContract, inspect.iscoroutinefunction)
    if name.startswith("test_")
}


async def holds(store: Store, name: str) -> bool:
    """Whether a rule does, in each of its cases."""
    for case in cases_of(RULES[name]):
        await store.call("FLUSHALL")
        try:
            await RULES[name](StoreContract(), store, **case)
        except Exception:  # of whatever sort: a mutant may also break the script itself
            return False
    return True


@cache
def scripts_used() -> dict[str, set[str]]:
    """The scripts that each rule calls, seen by trying all of them."""
    used: dict[str, set[str]] = {}
    original = scripts.load

    async def look() -> None:
        async with FakeTransport() as transport:
            store = Store(transport, transport.client, queue_keys("default"))
            for name in RULES:
                seen = used[name] = set()
                scripts.load = lambda script, seen=seen: (seen.add(script), original(script))[1]  # type: ignore[assignment]
                await holds(store, name)

    try:
        with ThreadPoolExecutor(1) as thread:  # in ours a loop runs already
            thread.submit(asyncio.run, look()).result()
    finally:
        scripts.load = original
    return used


def cases_of(rule: Any) -> list[dict[str, Any]]:
    """What pytest would call the rule with."""
    cases: list[dict[str, Any]] = [{}]
    for mark in getattr(rule, "pytestmark", ()):
        given = mark.args[0]
        names = [name.strip() for name in given.split(",")] if isinstance(given, str) else list(given)
        rows = [values if len(names) > 1 else (values,) for values in mark.args[1]]
        cases = [{**case, **dict(zip(names, row, strict=True))} for case in cases for row in rows]
    return cases


async def test_the_store_as_it_is_breaks_no_rule(store: Store) -> None:
    assert [name for name in RULES if not await holds(store, name)] == []


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
async def test_a_store_without_a_guard_breaks_a_rule(
    store: Store, mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = scripts_used()
    concerned = sorted(
        (name for name in RULES if mutant.script in used[name]), key=lambda name: len(used[name])
    )
    original = scripts.load
    mutated = mutant.apply(original(mutant.script))
    monkeypatch.setattr(scripts, "load", lambda name: mutated if name == mutant.script else original(name))
    held, broken = set(), set()
    for name in concerned:
        (held if await holds(store, name) else broken).add(name)
        if held and broken:
            return
    assert broken, "no rule notices"
    # of few rules all may break; a script that does not even run breaks many
    assert len(broken) < 30, broken
