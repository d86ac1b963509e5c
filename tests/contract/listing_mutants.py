"""Guards of what lists jobs that have not ended, each taken away."""

from .mutant import Mutant

#: Of what lists jobs that have not ended.
LISTING = {
    "a glance without a budget": Mutant("glance", "if budget < 0 then", "if false then"),
    "a glance that falls over a strange key": Mutant("glance", "redis.pcall(...)", "redis.call(...)"),
    "a line-up that tells a place twice": Mutant("lineup", "before + there", "before"),
    "a line-up that jumps over a tie": Mutant("lineup", "low = middle + 1", "low = high"),
    "a line-up that begins a tie anew": Mutant(
        "lineup",
        "local low, high = below(key, score), up_to(key, score)",
        "local low, high = below(key, score), 0",
    ),
    "a line-up in the order of a language": Mutant("lineup", "return x < y", "return x > y"),
    "a line-up without ranks": Mutant("lineup", "if a.rank ~= b.rank then", "if false then"),
    "a line-up that forgets who was put aside": Mutant("lineup", "if kind ~= '' then", "if false then"),
    "a line-up that skips lower ranks of a time": Mutant(
        "lineup", "rank < place.rank and up_to(key, score) or below(key, score)", "up_to(key, score)"
    ),
    "a line-up of any time": Mutant("lineup", "up_to(key, score_of(to_ms, 3))", "redis.call('ZCARD', key)"),
    "a line-up that falls over a strange key": Mutant(
        "lineup", "redis.pcall('HKEYS', KEYS[5])", "redis.call('HKEYS', KEYS[5])"
    ),
}
