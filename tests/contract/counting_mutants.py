"""Scripts that count wrongly."""

from .mutant import Mutant

COUNTING = {
    "counting leases that ran out": Mutant(
        "measure", "number('ZCOUNT', KEYS[5], after_now, '+inf')", "number('ZCARD', KEYS[5])"
    ),
    "counting what runs in every priority": Mutant(
        "measure", "if ranked > 1 and runs > 0 then", "if false then"
    ),
    "counting retries that are due": Mutant(
        "measure",
        "number('ZCOUNT', retrying_key(string.sub(KEYS[7], #KEY.stats + 1), rank), after_now, '+inf')",
        "number('ZCARD', retrying_key(string.sub(KEYS[7], #KEY.stats + 1), rank))",
    ),
    "counting what runs as due soon": Mutant("measure", "-number('ZCOUNT', KEYS[5], after_now, soon)", "0"),
    "counting that falls over a strange key": Mutant(
        "measure",
        "local reply = redis.pcall(...)\n  return type(reply) == 'number'",
        "local reply = redis.call(...)\n  return type(reply) == 'number'",
    ),
    "a retry that nobody counts": Mutant(
        "settle", "begin_retries(string.sub(KEYS[7], #KEY.stats + 1), rank, waiting, now)", ""
    ),
    "a first snooze that is counted as a retry": Mutant(
        "settle", "(verb == 'retrying' or redis.call('EXISTS', KEY.failures .. id) == 1)", "true"
    ),
    "a snooze after a failure that is not counted": Mutant(
        "settle",
        "(verb == 'retrying' or redis.call('EXISTS', KEY.failures .. id) == 1)",
        "verb == 'retrying'",
    ),
    "retries that are never forgotten": Mutant(
        "settle", "redis.pcall('ZREMRANGEBYSCORE', key, '-inf', text(now))", ""
    ),
    "a list of retries that stops a job": Mutant(
        "settle", "redis.pcall('ZADD', key, unpack(waiting))", "redis.call('ZADD', key, unpack(waiting))"
    ),
    "a cancelled job that still retries": Mutant(
        "cancel", "  end_retry(string.sub(KEYS[6], #KEY.stats + 1), id)", "  "
    ),
    "a job that is put off and retries where it stood": Mutant(
        "enqueue", "follow(id, rank or zset, score)", ""
    ),
    "a job that is moved and retries where it stood": Mutant(
        "move", "begin_retries(part, rank + 1, { text(score), id }, now)", ""
    ),
    "a job that is run now and still retries": Mutant("move", "    end_retry(part, id)", "    "),
}
