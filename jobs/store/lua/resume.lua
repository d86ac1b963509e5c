--[[ resume: ready -> ready; what was paused is claimed again

KEYS[1] critical    zset    job id -> visible-at, ms
KEYS[2] high        zset
KEYS[3] normal      zset
KEYS[4] low         zset
KEYS[5] pause       hash    kind, or "" for the whole queue -> its pause, JSON
KEYS[6] wake        list    the wake token
ARGV[1] kind        str     "" for the whole queue
ARGV[2] limit       int     how many of the jobs that were put aside come back in this call

Returns     {pause, left}: the pause, or nil if there was none; how many jobs are still put aside.  Claims bring these
            back, too, for the pause is over from the first call on.
Clock       the server's.
Cost        O(limit * log n).
Uses        _parked.lua
Uses        _pauses.lua
Reply lost  repeat it: there is no such pause any more, or one that is over.
]]
local kind = ARGV[1]
local pause = redis.call('HGET', KEYS[5], kind)
if not pause then
  return { false, 0 }
end
local left = 0
if kind == '' then
  redis.call('HDEL', KEYS[5], kind)
else
  redis.call('HSET', KEYS[5], kind, (string.gsub(pause, '"until_ms":%w+', '"until_ms":' .. text(now_ms()), 1)))
  left = bring_back(KEYS[5], kind, 1, tonumber(ARGV[2]))
end
push_token(KEYS[6])
return { pause, left }
