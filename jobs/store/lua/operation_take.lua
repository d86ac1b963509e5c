--[[ operation_take: run an operation, for a while

Whoever renews in time has it; of one that does not, another may take it.

KEYS[1] operation   hash    plan, start, cancel, progress and end, JSON each; owner and lease
ARGV[1] owner       str     who asks: a process
ARGV[2] lease_ms    int     for how long, unless it is renewed

Returns     1 it has it now, 0 another has it, -1 it is not there, not begun, or over.
Clock       the server's.
Cost        O(1).
Reply lost  repeat it: the same answer.
]]
local found = redis.call('HMGET', KEYS[1], 'start', 'end', 'owner', 'lease')
if not found[1] or found[2] then
  return -1
end
local now = now_ms()
if found[3] and found[3] ~= ARGV[1] and tonumber(found[4]) > now then
  return 0
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'lease', text(now + ARGV[2]))
return 1
