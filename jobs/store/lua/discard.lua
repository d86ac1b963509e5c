--[[ discard: dead -> nothing

Forget dead letters of one queue, for good.

KEYS[1] dead        zset    job id -> when it died, ms
KEYS[2] stats       hash    counters
ARGV[1...] letters  1 each: id

Returns     per letter 1 forgotten, 0 there is no such dead letter.
Cost        O(letters * log n); keep to some hundreds of letters.
Reply lost  repeat it.
]]
local codes, gone = {}, 0
for i, id in ipairs(ARGV) do
  codes[i] = 0
  if redis.call('ZREM', KEYS[1], id) == 1 then
    local held_until, digest = unique_of(redis.pcall('GET', KEY.dead_letter .. id))
    if held_until == 'success' then
      hold_unique(false, KEYS[2], digest, id)
    end
    codes[i] = redis.call('DEL', KEY.dead_letter .. id)
  end
  if codes[i] == 1 then -- else a job of this id may be alive, and its fences must not begin anew
    redis.call('DEL', KEY.failures .. id, KEY.starts .. id)
    gone = gone + 1
  end
end
if gone > 0 then
  redis.call('HINCRBY', KEYS[2], 'discarded', gone)
end
return codes
