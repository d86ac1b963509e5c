--[[ enlist: a worker has reported just now

Also to a full server.

KEYS[1] workers  zset  worker -> when it reported last, ms
ARGV[1] worker   str

Returns     nothing.
Clock       the server's.
Cost        O(log n) of the workers.
Reply lost  repeat it.
]]
redis.call('ZADD', KEYS[1], text(now_ms()), ARGV[1])
