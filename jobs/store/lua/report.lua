--[[ report: a worker says how it is

Also to a full server: else all workers would seem dead, just when somebody looks.

KEYS[1] report   string  what it says, as JSON
ARGV[1] told     str     what it says, as JSON
ARGV[2] kept_ms  int     for how long

Returns     nothing.
Clock       none.
Cost        O(1).
Reply lost  repeat it.
]]
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
