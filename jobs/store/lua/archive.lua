--[[ archive: take dead letters away of which PostgreSQL holds a copy

Each leaves a receipt, until PostgreSQL knows that its copy is the letter now: else nobody could tell a letter that was
taken away from one that was replayed meanwhile.

KEYS[1] dead        zset    job id -> when it died, ms
KEYS[2] archived    set     receipts: <died>:<id>
KEYS[3] stats       hash    counters; its name tells the queue's part of unique keys
ARGV[1] hold_ms     int     how long a unique key that only a success frees stays held without its letter
ARGV[2...] letters  2 each: id, died (ms: one that was replayed and has died again is another letter)

Returns     per letter 1 taken away, now or by an earlier call whose receipt is still there; 0 there is no such letter.
Cost        O(letters * log n); keep to some hundreds of letters.
Reply lost  repeat it: the same answer.
]]
local codes = {}
for a = 2, #ARGV, 2 do
  local id, died = ARGV[a], ARGV[a + 1]
  local receipt = died .. ':' .. id
  local score = redis.call('ZSCORE', KEYS[1], id)
  local is_meant = score and tonumber(died) == tonumber(score)
  if is_meant and redis.call('EXISTS', KEY.dead_letter .. id) == 1 then
    local held_until, digest = unique_of(redis.pcall('GET', KEY.dead_letter .. id))
    if held_until == 'success' then
      local key = KEY.unique .. string.sub(KEYS[3], #KEY.stats + 1) .. ':' .. digest
      if redis.pcall('GET', key) == id then
        redis.call('PEXPIRE', key, ARGV[1]) -- a key with an end is held, whether or not its job is to be found
      end
    end
    redis.call('ZREM', KEYS[1], id)
    redis.call('DEL', KEY.dead_letter .. id, KEY.failures .. id, KEY.starts .. id, KEY.corrupt .. id)
    redis.call('SADD', KEYS[2], receipt)
    codes[#codes + 1] = 1
  else
    codes[#codes + 1] = redis.call('SISMEMBER', KEYS[2], receipt)
  end
end
return codes
