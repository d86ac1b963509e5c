"""Guards of what restores lost jobs, each taken away."""

from .mutant import Mutant

#: Of what restores lost jobs, and of what tells that there are some.
RESTORING = {
    "restoring over the living": Mutant("restore", "if not is_alive(id, pause) then", "if true then"),
    "restoring of nothing but jobs": Mutant("restore", "if not is_alive(id, pause) then", "if false then"),
    "restoring beside a job that was put aside": Mutant("restore", " or find_parked(pause, id))", ")"),
    "comparing without what was put aside": Mutant("compare", " or find_parked(pause, id))", ")"),
    "comparing without envelopes": Mutant("compare", " and redis.call('EXISTS', KEY.job .. id) == 1", ""),
    "comparing without places": Mutant("compare", "(stands or find_parked(pause, id)) and ", ""),
    "comparing without what runs": Mutant("compare", "math.max(counted, fence)", "counted"),
    "numbers that go down": Mutant(
        "restore", "highest > tonumber(starts) and text(highest) or starts", "starts"
    ),
    "numbers that stay behind": Mutant("restore", "elseif code == 2 then", "elseif false then"),
    "restoring over a counter that cannot be read": Mutant(
        "restore", "counted = type(counted) == 'string' and", "counted = true and"
    ),
    "restoring beside a dead letter": Mutant("restore", "    bury_the_past(id)", "    "),
    "a restored job without its past": Mutant("restore", "    tell(id, ARGV[a + 6])", "    "),
    "restoring over a list that cannot be read": Mutant(
        "restore", "is_error(redis.pcall('RPUSH', KEY.failures .. id, failure))", "false"
    ),
    "a restored job without its key": Mutant("restore", "    take_unique(id, body, ARGV[a + 7])", "    "),
    "a restored job takes another's key": Mutant(
        "restore", "redis.call('SET', key, id, 'NX')", "redis.call('SET', key, id)"
    ),
    "a window that is over is opened again": Mutant("restore", "window_ms ~= '0'", "true"),
    "restoring by PostgreSQL's clock": Mutant("restore", "math.min(now, tonumber(ms))", "tonumber(ms)"),
    "restoring at once what may still run": Mutant("restore", "return now + ms", "return now"),
    "restoring that moves what stands somewhere": Mutant(
        "restore", "if redis.call('ZSCORE', KEYS[other], id) then", "if false then"
    ),
    "restoring in two places": Mutant("restore", "redis.call('ZREM', parked.key, id)", ""),
    "restoring that wakes nobody": Mutant("restore", "wake_for(earliest, now, 1, KEYS[6])", ""),
    "a beat over what nobody has seen": Mutant("beat", "if held ~= ARGV[1] then", "if false then"),
    "a beat that goes back": Mutant("beat", "math.max(ms, tonumber(last))", "ms"),
    "an epoch that goes on with the beat of another": Mutant("beat", "epoch == ARGV[2] and", "last and"),
}
