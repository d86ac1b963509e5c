--[[ operation_advance: an operation has come so far; or it is over

Only who has it says so: one that was frozen, and whose operation another has taken, changes nothing.

KEYS[1] operation   hash    plan, start, cancel, progress and end, JSON each; owner and lease
ARGV[1] owner       str     who says so
ARGV[2] lease_ms    int     for how long it has it from now on; 0: another may take it at once
ARGV[3] progress    str     JSON; "" as it is
ARGV[4] end         str     JSON, how it has ended; "" it has not
ARGV[5] keep_ms     int     how long the record is kept after its end

Returns     0 another has it, or it is over; 1 noted; 2 noted, and somebody wants it to be cancelled.
Clock       the server's.
Cost        O(size of the progress).
Reply lost  repeat it: the same answer.
]]
local found = redis.call('HMGET', KEYS[1], 'owner', 'end', 'cancel')
if found[2] and found[2] == ARGV[4] then -- an earlier call has ended it
  return found[3] and 2 or 1
end
if found[1] ~= ARGV[1] then -- one that is over is nobody's
  return 0
end
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'progress', ARGV[3])
end
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], 'end', ARGV[4])
  redis.call('HDEL', KEYS[1], 'owner', 'lease')
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
else
  redis.call('HSET', KEYS[1], 'lease', text(now_ms() + ARGV[2]))
end
return found[3] and 2 or 1
