--[[ settle: running -> succeeded | retrying | dead | cancelled | expired | ready | scheduled

Record how attempts of one queue ended, each only if its fence still holds.

KEYS[1] critical    zset    job id -> visible-at, ms
KEYS[2] high        zset
KEYS[3] normal      zset
KEYS[4] low         zset
KEYS[5] running     zset    job id -> lease end, ms
KEYS[6] wake        list    the wake token
KEYS[7] stats       hash    counters
KEYS[8] dead        zset    job id -> when it died, ms
KEYS[9] waiters     hash    job id -> channels
KEYS[10] abort      zset    job id -> when its cancellation was asked for
KEYS[11] cancels    hash    job id -> who asked for it, and why
KEYS[12] reply      string  this worker's last settle, for a repeat
KEYS[13] kept_ends  list    ends that PostgreSQL is yet to be told of
ARGV[1] nonce       str     new for each settle, the same for its repeats
ARGV[2] reply_ms    int     how long the reply is kept for a repeat
ARGV[3] past        str     "1": tell what went wrong with jobs before the start that ends them; else ""
ARGV[4...] ends     7 each: id, fence, verb (succeeded, retrying, dead, cancelled, expired, released), result (JSON),
                    result_ms (how long it is kept; 0 not at all, -1 for ever), delay_ms (before it is visible again),
                    failure (JSON, or "").  A verb with ":<digest>" frees the unique key of this digest; released
                    takes it again, if it is free.  With ":<digest>:keep" (the digest may be empty) the end is also
                    put on the list of ends, as JSON: id, fence, verb, ms, result and failure.

Returns     per end 1 recorded, 2 recorded as no cancellation although one was asked for, 0 refused: another attempt
            owns the job, or it has ended.  Where a past is told, a list: this number, then the failure records of the
            job before this start, oldest first; of very many the newest, and none after a megabyte of them.
Clock       the server's.
Cost        O(ends * log n); keep to some hundreds of ends.
Uses        _retrying.lua
Reply lost  repeat it with the same nonce: the same answer, nothing is recorded twice.
]]
local kept = kept_reply(KEYS[12], ARGV[1])
if kept then
  local codes = {}
  for _, line in ipairs(kept) do
    local code = codes[#codes]
    if string.sub(line, 1, 1) ~= '{' then
      codes[#codes + 1] = tonumber(line)
    elseif type(code) == 'number' then -- records belong to the code before them
      codes[#codes] = { code, line }
    else
      code[#code + 1] = line
    end
  end
  return codes
end

local now = now_ms()
local first, stride = 4, 7
local LONGEST_VERB = 9
local fence_keys = {}
for a = first, #ARGV, stride do
  fence_keys[#fence_keys + 1] = KEY.fence .. ARGV[a]
end
local fences = redis.call('MGET', unpack(fence_keys))

-- per end whether its job's cancellation is asked for; nearly always nobody's is
local asked = {}
local any_abort = redis.call('EXISTS', KEYS[10]) == 1
if any_abort then
  local ids = {}
  for a = first, #ARGV, stride do
    ids[#ids + 1] = ARGV[a]
  end
  asked = redis.call('ZMSCORE', KEYS[10], unpack(ids))
end

local codes, ended, settled, doomed, counts, recorded = {}, {}, {}, {}, {}, {}
local pasts, past_bytes = {}, 0
local retries = {} -- by rank: visible-at, id, ... of jobs that wait out their backoff
local MOST_PAST_BYTES = 1000000
local earliest

local function doom(...)
  for _, key in ipairs({ ... }) do
    doomed[#doomed + 1] = key
  end
end

-- The starts of a job are counted where it is put back or buried, so that the many that succeed at once need no counter.
local function count_start(id, fence)
  local starts = string.match(fence, ':(%d+)$')
  if is_error(redis.pcall('SET', KEY.starts .. id, starts, 'GET')) then -- a key of another type
    set_aside('starts', id)
    redis.call('SET', KEY.starts .. id, starts)
    return false
  end
  return true
end

local function count_cause(failure)
  local name = 'failed:' .. (string.match(failure, '^{[^}]-"cause":"(%a+)"') or 'error')
  counts[name] = (counts[name] or 0) + 1
end

-- The next claim finds a list that cannot be used, and a counter by this mark.
local function put_back(id, fence, failure)
  if failure ~= '' then
    redis.pcall('RPUSH', KEY.failures .. id, failure)
  end
  if not count_start(id, fence) then
    redis.pcall('RPUSH', KEY.failures .. id, string.format(
      '{"spent":0,"crashes":0,"lapses":0,"cause":"corruption","fence":%s,"worker":"","started_ms":0,"ended_ms":%d,' ..
      '"error_type":"CorruptRecord","message":"something else lay at its counter of starts","traceback":""}',
      string.match(fence, ':(%d+)$'), now))
  end
end

local function again(id, delay_ms)
  local score, rank = now + delay_ms, nil
  for zset = 1, 4 do
    if redis.call('ZADD', KEYS[zset], 'XX', 'CH', text(score), id) == 1 then
      rank = zset
    end
  end
  doom(KEY.fence .. id)
  if not earliest or score < earliest then
    earliest = score
  end
  return rank, score
end

local function bury(id, fence, failure)
  if failure ~= '' and is_error(redis.pcall('RPUSH', KEY.failures .. id, failure)) then
    set_aside('failures', id)
    redis.call('RPUSH', KEY.failures .. id, failure)
  end
  count_start(id, fence)
  if redis.call('EXISTS', KEY.job .. id) == 1 then
    redis.call('RENAME', KEY.job .. id, KEY.dead_letter .. id)
  else
    redis.call('SET', KEY.dead_letter .. id, '')
  end
  redis.call('ZADD', KEYS[8], now, id)
  doom(KEY.fence .. id)
end

-- For a worker that reaches PostgreSQL.  First of all that is written of an end, so that a list which cannot be used
-- leaves the job as it was.
local function keep_end(i, verb)
  local a = first + (i - 1) * stride
  redis.call('RPUSH', KEYS[13], cjson.encode({
    id = ARGV[a], fence = ARGV[a + 1], verb = verb, ms = text(now), result = ARGV[a + 3], failure = ARGV[a + 6],
  }))
end

-- The failures of a job's earlier starts.  What is no record, or would not outlive a repeat, is left out.
local function past_of(id)
  local found = past_bytes < MOST_PAST_BYTES and redis.pcall('LRANGE', KEY.failures .. id, -100, -1)
  local past = {}
  for _, record in ipairs(found or past) do
    if string.find(record, '^{[^\n]*$') then
      past[#past + 1] = record
      past_bytes = past_bytes + #record
    end
  end
  return #past > 0 and past or nil
end

-- The codes and, where a job's past is to be told, its records: one after the other, or each beside its code.
local function with_pasts(in_lines)
  local told = {}
  for i, code in ipairs(codes) do
    local past = pasts[i]
    if in_lines or not past then
      told[#told + 1] = code
      for _, record in ipairs(past or {}) do
        told[#told + 1] = record
      end
    else
      told[#told + 1] = { code, unpack(past) }
    end
  end
  return told
end

for i = 1, #fence_keys do
  local a = first + (i - 1) * stride
  local id, verb, failure = ARGV[a], ARGV[a + 2], ARGV[a + 6]
  if fences[i] ~= ARGV[a + 1] or recorded[id] then
    codes[i] = 0
    counts.refused = (counts.refused or 0) + 1
  else
    if #verb > LONGEST_VERB then
      local digest, keep
      verb, digest, keep = string.match(verb, '^(%l+):(%x*):?(%l*)$')
      if keep ~= '' then
        keep_end(i, verb)
      end
      if digest ~= '' then
        hold_unique(verb == 'released', KEYS[7], digest, id)
      end
    end
    codes[i] = 1
    recorded[id] = true
    counts[verb] = (counts[verb] or 0) + 1
    settled[#settled + 1] = id
    if failure ~= '' then
      count_cause(failure)
    end
    if verb == 'retrying' or verb == 'released' then
      put_back(id, ARGV[a + 1], failure)
      local rank, score = again(id, asked[i] and 0 or tonumber(ARGV[a + 5])) -- whoever claims it next ends it
      if rank and score > now and (verb == 'retrying' or redis.call('EXISTS', KEY.failures .. id) == 1) then
        local waiting = retries[rank] or {}
        waiting[#waiting + 1], waiting[#waiting + 2] = text(score), id
        retries[rank] = waiting
      end
    else
      if asked[i] and verb ~= 'cancelled' then
        codes[i] = 2
      end
      ended[#ended + 1] = id
      if ARGV[3] == '1' and string.sub(ARGV[a + 1], -2) ~= ':1' then
        pasts[i] = past_of(id)
      end
      set_result(id, ARGV[a + 3], ARGV[a + 4])
      if verb == 'dead' then
        bury(id, ARGV[a + 1], failure)
      else
        local at = #doomed
        doomed[at + 1], doomed[at + 2] = KEY.job .. id, KEY.fence .. id
        if string.sub(ARGV[a + 1], -2) ~= ':1' then -- a first start has left nothing behind
          doomed[at + 3], doomed[at + 4], doomed[at + 5] = KEY.starts .. id, KEY.failures .. id, KEY.corrupt .. id
        end
      end
    end
  end
end

if #doomed > 0 then
  redis.call('DEL', unpack(doomed))
end
if #settled > 0 then
  redis.call('ZREM', KEYS[5], unpack(settled))
end
if #ended > 0 then
  local left = #ended - redis.call('ZREM', KEYS[3], unpack(ended)) -- nearly always all are of normal priority
  for _, rank in ipairs({ 1, 2, 4 }) do
    left = left > 0 and left - redis.call('ZREM', KEYS[rank], unpack(ended)) or 0
  end
  if any_abort then
    redis.call('ZREM', KEYS[10], unpack(ended))
    redis.pcall('HDEL', KEYS[11], unpack(ended))
  end
  notify(KEYS[9], ended)
end
for verb, count in pairs(counts) do
  redis.call('HINCRBY', KEYS[7], verb, count)
end
if earliest then
  wake_for(earliest, now, 1, KEYS[6])
end
for rank, waiting in pairs(retries) do
  begin_retries(string.sub(KEYS[7], #KEY.stats + 1), rank, waiting, now)
end
local any_past = next(pasts) ~= nil
keep_reply(KEYS[12], ARGV[1], any_past and with_pasts(true) or codes, ARGV[2])
return any_past and with_pasts(false) or codes
