--[[ cancel: scheduled | ready | retrying -> cancelled; a running job is asked to stop

A durable job that waits is not ended here: it is marked and made due, and the worker that claims it ends it, after
PostgreSQL has been told.

KEYS[1] critical    zset    job id -> visible-at, ms
KEYS[2] high        zset
KEYS[3] normal      zset
KEYS[4] low         zset
KEYS[5] running     zset    job id -> lease end, ms
KEYS[6] stats       hash    counters
KEYS[7] waiters     hash    job id -> channels
KEYS[8] abort       zset    job id -> when its cancellation was asked for
KEYS[9] pause       hash    kind, or "" for the whole queue -> its pause, JSON
KEYS[10] cancels    hash    job id -> who asked for it, and why
KEYS[11] wake       list    the wake token
KEYS[12] ended      list    jobs that ended here, for the history
KEYS[13] history    string  exists while somebody writes the history
ARGV[1] id          str
ARGV[2] result      str     JSON, what those who wait will read
ARGV[3] result_ms   int     how long it is kept; 0 not at all, -1 for ever
ARGV[4] note        str     JSON, who asks, and why; for the worker of a job that runs

Returns     "cancelled" (now, or by an earlier call), "requested" (it runs, and its worker will be told; or it is
            durable, and a worker will end it), "ended" or "unknown".
Clock       the server's.
Cost        O(log n).
Uses        _parked.lua
Uses        _retrying.lua
Reply lost  repeat it: the same answer.
]]
local id = ARGV[1]
local LONGEST_ENDED = 10000
local waiting = false
for rank = 1, 4 do
  waiting = waiting or redis.call('ZSCORE', KEYS[rank], id)
end
local parked = not waiting and find_parked(KEYS[9], id)
if not waiting and not parked then
  local record = redis.pcall('GET', KEY.result .. id)
  if type(record) == 'string' and string.find(record, '^{"m":{[^}]-"s":"cancelled"') then
    return 'cancelled'
  end
  return redis.call('EXISTS', KEY.result .. id, KEY.dead_letter .. id) > 0 and 'ended' or 'unknown'
end

local now = now_ms()
local body = redis.pcall('GET', KEY.job .. id)

if redis.call('EXISTS', KEY.failures .. id) == 1 then
  end_retry(string.sub(KEYS[6], #KEY.stats + 1), id)
end

local function is_durable()
  return type(body) == 'string' and (string.find(body, '^{"m":{"v":1,"d":1[,}]')
    or string.find(body, '^{"m":{"u":"%l+:%x+","v":1,"d":1[,}]'))
end

local function ask()
  redis.call('ZADD', KEYS[8], 'NX', text(now), id)
  redis.pcall('HSETNX', KEYS[10], id, ARGV[4]) -- who asked first is who cancelled it
end

-- Put-aside jobs stay where they are until their pause is over; a claim would only put them aside again.
local function make_due()
  for rank = 1, 4 do
    redis.call('ZADD', KEYS[rank], 'XX', 'LT', text(now), id)
  end
  push_token(KEYS[11])
end

if redis.call('EXISTS', KEY.fence .. id) == 1 then
  ask()
  return 'requested'
end
if is_durable() then
  ask()
  make_due()
  return 'requested'
end

-- Hand the job over to the history, by way of a list; what comes too fast for whoever empties it is counted.
local function hand_over()
  local starts, failures = redis.pcall('GET', KEY.starts .. id), redis.pcall('LRANGE', KEY.failures .. id, -100, -1)
  local record = cjson.encode({
    id, text(now), type(starts) == 'string' and starts or '0', ARGV[4], type(body) == 'string' and body or '',
    is_error(failures) and {} or failures,
  })
  local length = redis.pcall('RPUSH', KEYS[12], record)
  if type(length) == 'number' and length > LONGEST_ENDED then
    redis.call('LTRIM', KEYS[12], -LONGEST_ENDED, -1)
    redis.call('HINCRBY', KEYS[6], 'history_dropped', length - LONGEST_ENDED)
  end
end

for rank = 1, 4 do
  redis.call('ZREM', KEYS[rank], id)
end
if parked then
  redis.call('ZREM', parked.key, id)
end
redis.call('ZREM', KEYS[5], id)
redis.call('ZREM', KEYS[8], id)
redis.pcall('HDEL', KEYS[10], id)
local held_until, digest = unique_of(body)
if digest and held_until ~= 'window' then
  hold_unique(false, KEYS[6], digest, id)
end
if redis.call('EXISTS', KEYS[13]) == 1 then
  hand_over()
end
redis.call('DEL', KEY.job .. id, KEY.starts .. id, KEY.failures .. id, KEY.corrupt .. id)
set_result(id, ARGV[2], ARGV[3])
redis.call('HINCRBY', KEYS[6], 'cancelled', 1)
notify(KEYS[7], { id })
return 'cancelled'
