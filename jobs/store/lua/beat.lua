--[[ beat: say that this is the server that was here before

A server that was flushed, restarted empty or set back to an older state does not hold what PostgreSQL remembers.

KEYS[1] epoch   string  "<epoch>:<beat, ms>"; or "<epoch>:rebuilding:<ms>", while jobs are restored
ARGV[1] seen    str     what it holds, "" for nothing; if it holds anything else, nothing is written
ARGV[2] number  int     of the epoch
ARGV[3] phase   str     beating or rebuilding

Returns     what is written, or nil.
Clock       the server's; a beat of one epoch is never earlier than the one before it.
Cost        O(1).
Reply lost  look what the key holds, and repeat it with that.
]]
local held = redis.call('GET', KEYS[1]) or ''
if held ~= ARGV[1] then
  return nil
end
local ms = now_ms()
if ARGV[3] == 'rebuilding' then
  ms = 'rebuilding:' .. text(ms)
else
  local epoch, last = string.match(held, '^(%d+):(%d+)$')
  ms = text(epoch == ARGV[2] and math.max(ms, tonumber(last)) or ms)
end
local mark = ARGV[2] .. ':' .. ms
redis.call('SET', KEYS[1], mark)
return mark
