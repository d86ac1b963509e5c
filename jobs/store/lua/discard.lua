--[[ discard: dead -> nothing

Forget dead letters of one queue, for good.

KEYS[1] dead        zset    job id -> when it died, ms
KEYS[2] stats       hash    counters
ARGV[1] counter     str     what they are counted as: discarded (somebody asked for it) or pruned (they were too many, or
                            too old)
ARGV[2] keep        int     forget no more when only so many letters are left
ARGV[3...] letters  2 each: id, died (ms, or "" whenever it died: one that was replayed and has died again is another
                    letter)

Returns     per letter 1 forgotten, 0 there is no such dead letter, or too few are left.
Cost        O(letters * log n); keep to some hundreds of letters.
Reply lost  repeat it.
]]
local counter, keep = ARGV[1], tonumber(ARGV[2])
local left = redis.call('ZCARD', KEYS[1])
local codes, gone = {}, 0
for a = 3, #ARGV, 2 do
  local i, id, died = #codes + 1, ARGV[a], ARGV[a + 1]
  codes[i] = 0
  local score = redis.call('ZSCORE', KEYS[1], id)
  if score and left > keep and (died == '' or tonumber(died) == tonumber(score)) then
    left = left - redis.call('ZREM', KEYS[1], id)
    local held_until, digest = unique_of(redis.pcall('GET', KEY.dead_letter .. id))
    if held_until == 'success' then
      hold_unique(false, KEYS[2], digest, id)
    end
    codes[i] = redis.call('DEL', KEY.dead_letter .. id)
  end
  if codes[i] == 1 then -- else a job of this id may be alive, and its fences must not begin anew
    redis.call('DEL', KEY.failures .. id, KEY.starts .. id, KEY.corrupt .. id)
    gone = gone + 1
  end
end
if gone > 0 then
  redis.call('HINCRBY', KEYS[2], counter, gone)
end
return codes
