--[[ revive: dead -> ready

Give dead letters of one queue that PostgreSQL holds a fresh budget of attempts.  What went wrong before stays with the
job, and its fences count on.  One that had a unique key takes it again if it is free.  Each leaves a receipt, until
PostgreSQL has forgotten the letter.

KEYS[1] critical    zset    job id -> visible-at, ms
KEYS[2] high        zset
KEYS[3] normal      zset
KEYS[4] low         zset
KEYS[5] wake        list    the wake token
KEYS[6] stats       hash    counters
KEYS[7] revived     set     receipts: <died>:<id>
KEYS[8] archived    set     receipts of archive.lua: what is replayed is no letter any more, whatever they say
ARGV[1...] letters  7 each: id, rank (0 critical .. 3 low), died (ms), mark (the failure record that resets the budget),
                    starts (so far), body (the envelope), failures (its records, each as <bytes>:<record>)

Returns     per letter 1 replayed, 2 an earlier call has done it, 0 the id is in use by a job or another letter.
Clock       the server's.
Cost        O(letters * log n + failures); keep to some hundreds of letters.
Reply lost  repeat it: what has a receipt is left alone.
]]
local now = now_ms()
local codes, replayed = {}, 0

-- what is written as <bytes>:<record><bytes>:<record>..., in order
local function each_record(packed, act)
  local at = 1
  while at <= #packed do
    local colon = string.find(packed, ':', at, true)
    local length = tonumber(string.sub(packed, at, colon - 1))
    act(string.sub(packed, colon + 1, colon + length))
    at = colon + length + 1
  end
end

for a = 1, #ARGV, 7 do
  local id, rank, died, starts = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2], tonumber(ARGV[a + 4])
  local receipt, code = died .. ':' .. id, 0
  if redis.call('SISMEMBER', KEYS[7], receipt) == 1 then
    code = 2
  elseif redis.call('EXISTS', KEY.job .. id, KEY.dead_letter .. id) == 0 then
    redis.call('SADD', KEYS[7], receipt)
    redis.call('SREM', KEYS[8], receipt)
    redis.call('SET', KEY.job .. id, ARGV[a + 5])
    if starts > (tonumber(redis.pcall('GET', KEY.starts .. id)) or 0) then
      redis.call('SET', KEY.starts .. id, ARGV[a + 4])
    end
    redis.call('DEL', KEY.failures .. id, KEY.result .. id, KEY.corrupt .. id)
    each_record(ARGV[a + 6] .. #ARGV[a + 3] .. ':' .. ARGV[a + 3], function(record)
      redis.call('RPUSH', KEY.failures .. id, record)
    end)
    local held_until, digest = unique_of(ARGV[a + 5])
    if digest and held_until ~= 'window' then
      hold_unique(true, KEYS[6], digest, id)
      local key = KEY.unique .. string.sub(KEYS[6], #KEY.stats + 1) .. ':' .. digest
      if redis.pcall('GET', key) == id then
        redis.call('PERSIST', key) -- while it was a letter elsewhere, its hold had an end
      end
    end
    redis.call('ZADD', KEYS[rank + 1], now, id)
    code, replayed = 1, replayed + 1
  end
  codes[#codes + 1] = code
end
if replayed > 0 then
  redis.call('HINCRBY', KEYS[6], 'replayed', replayed)
  push_token(KEYS[5])
end
return codes
