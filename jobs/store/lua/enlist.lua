--[[ enlist: a worker has reported just now

Those that have been silent for long are taken off the list.

KEYS[1] workers  zset  worker -> when it reported last, ms
ARGV[1] worker   str
ARGV[2] kept_ms  int   for how long a report is kept

Returns     nothing.
Clock       the server's.
Cost        O(log n) of the workers.
Reply lost  repeat it.
]]
local now = now_ms()
redis.call('ZADD', KEYS[1], text(now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now - tonumber(ARGV[2])))
