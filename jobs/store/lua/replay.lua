--[[ replay: dead -> ready

Give dead letters of one queue a fresh budget of attempts.  What went wrong before stays with the job.  One that had a
unique key takes it again if it is free.

KEYS[1] critical    zset    job id -> visible-at, ms
KEYS[2] high        zset
KEYS[3] normal      zset
KEYS[4] low         zset
KEYS[5] wake        list    the wake token
KEYS[6] stats       hash    counters
KEYS[7] dead        zset    job id -> when it died, ms
ARGV[1...] letters  5 each: id, rank (0 critical .. 3 low), mark (the failure record that resets the budget), died (ms,
                    or "" whenever it died: one that was replayed and has died again is another letter), body (an
                    envelope that takes the place of the letter's, or "")

Returns     per letter 1 replayed, 0 there is no such dead letter.
Clock       the server's.
Cost        O(letters * log n); keep to some hundreds of letters.
Reply lost  repeat it: what was replayed is no dead letter any more.
]]
local now = now_ms()
local codes, replayed = {}, 0
for a = 1, #ARGV, 5 do
  local id, died, body = ARGV[a], ARGV[a + 3], ARGV[a + 4]
  local code = 0
  local score = redis.call('ZSCORE', KEYS[7], id)
  local is_meant = score and (died == '' or tonumber(died) == tonumber(score))
  if is_meant and redis.call('EXISTS', KEY.dead_letter .. id) == 1 then
    redis.call('RENAME', KEY.dead_letter .. id, KEY.job .. id)
    if body ~= '' then
      redis.call('SET', KEY.job .. id, body)
    end
    local held_until, digest = unique_of(redis.pcall('GET', KEY.job .. id))
    if digest and held_until ~= 'window' then
      hold_unique(true, KEYS[6], digest, id)
    end
    if is_error(redis.pcall('RPUSH', KEY.failures .. id, ARGV[a + 2])) then -- a key of another type
      redis.call('DEL', KEY.failures .. id)
      redis.call('RPUSH', KEY.failures .. id, ARGV[a + 2])
    end
    redis.call('DEL', KEY.result .. id, KEY.corrupt .. id)
    redis.call('ZREM', KEYS[7], id)
    redis.call('ZADD', KEYS[tonumber(ARGV[a + 1]) + 1], now, id)
    code, replayed = 1, replayed + 1
  end
  codes[#codes + 1] = code
end
if replayed > 0 then
  redis.call('HINCRBY', KEYS[6], 'replayed', replayed)
  push_token(KEYS[5])
end
return codes
