--[[ move: ready -> scheduled | retrying; and back, and each to itself at another time or with another priority

Let a job that waits start at another time, or in another rank.  One that is due and stays so goes on waiting from when
it became due, whatever is asked; nobody gains an age by a time in the past.

KEYS[1] critical    zset    job id -> visible-at, ms
KEYS[2] high        zset
KEYS[3] normal      zset
KEYS[4] low         zset
KEYS[5] running     zset    job id -> lease end, ms
KEYS[6] abort       zset    job id -> when its cancellation was asked for
KEYS[7] pause       hash    kind, or "" for the whole queue -> its pause, JSON
KEYS[8] wake        list    the wake token
ARGV[1] id          str
ARGV[2] when        str     "+ms" from now, or ms since the epoch; "" as it is
ARGV[3] rank        str     0 critical .. 3 low; "" as it is

Returns     {state, visible-at, rank, 1 moved or 0 it was so already}.  Of a job that cannot be moved the state alone:
            "running" (also if its lease ran out, until somebody has claimed it), "cancelling" (a worker is to end it),
            "succeeded", "dead", "cancelled", "expired", "ended" (nobody can tell how) or "unknown".
Clock       the server's.
Cost        O(log n).
Uses        _parked.lua
Uses        _retrying.lua
Reply lost  repeat it: what is so already is left alone; a time from now counts from the repeat.
]]
local id, when = ARGV[1], ARGV[2]
local NAMES = { 'critical', 'high', 'normal', 'low' }
local now = now_ms()

local function place_of()
  for rank = 0, 3 do
    local score = redis.call('ZSCORE', KEYS[rank + 1], id)
    if score then
      return { key = KEYS[rank + 1], rank = rank, visible_at = tonumber(score) }
    end
  end
  local parked = find_parked(KEYS[7], id)
  if parked then
    parked.is_parked = true
  end
  return parked
end

local function end_of()
  if redis.call('EXISTS', KEY.dead_letter .. id) == 1 then
    return 'dead'
  end
  local record = redis.pcall('GET', KEY.result .. id)
  if not record then
    return 'unknown'
  end
  return not is_error(record) and string.match(record, '^{"m":{[^}]-"s":"(%l+)"') or 'ended'
end

local place = place_of()
if not place then
  return { end_of() }
end
if redis.call('EXISTS', KEY.fence .. id) == 1 or redis.call('ZSCORE', KEYS[5], id) then
  return { 'running' }
end
if redis.call('ZSCORE', KEYS[6], id) then
  return { 'cancelling' }
end

local function wanted_score()
  if when == '' then
    return place.visible_at
  end
  local later = string.match(when, '^%+(%d+)$')
  local score = later and now + later or tonumber(when)
  return score > now and score or math.min(place.visible_at, now)
end

-- The envelope says the priority, too: to the history, and to who replays the job.  arq's own has no place for it.
local function rewrite(rank)
  local body = redis.pcall('GET', KEY.job .. id)
  local meta, rest = string.match(type(body) == 'string' and body or '', '^{"m":{("[uv]"[^}]*)(}.*)$')
  if meta then
    meta = string.gsub(meta, ',"p":"%l+"', '') .. (rank == 2 and '' or ',"p":"' .. NAMES[rank + 1] .. '"')
    redis.call('SET', KEY.job .. id, '{"m":{' .. meta .. rest, 'KEEPTTL')
  end
end

local function state_at(score)
  if score <= now then
    return 'ready'
  end
  return redis.call('EXISTS', KEY.failures .. id) == 1 and 'retrying' or 'scheduled'
end

local score, rank = wanted_score(), tonumber(ARGV[3]) or place.rank
local is_moved = score ~= place.visible_at or rank ~= place.rank
if is_moved then
  local stays_aside = place.is_parked and score <= now
  local target = stays_aside and place.key or KEYS[rank + 1]
  -- first of all, since something else may lie there: then nothing is written
  redis.call('ZADD', target, text(stays_aside and score * 4 + rank or score), id)
  if target ~= place.key then
    redis.call('ZREM', place.key, id)
  end
  if rank ~= place.rank then
    rewrite(rank)
  end
  if redis.call('EXISTS', KEY.failures .. id) == 1 then
    local part = string.sub(KEYS[7], #KEY.pause + 1)
    end_retry(part, id)
    if score > now then
      begin_retries(part, rank + 1, { text(score), id }, now)
    end
  end
  if score < place.visible_at then
    wake_for(score, now, 1, KEYS[8])
  end
end
return { state_at(score), text(score), rank, is_moved and 1 or 0 }
