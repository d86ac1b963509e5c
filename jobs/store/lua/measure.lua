--[[ measure: the numbers of one queue, at one moment

KEYS[1] critical    zset    job id -> visible-at, ms
KEYS[2] high        zset
KEYS[3] normal      zset
KEYS[4] low         zset
KEYS[5] running     zset    job id -> lease end, ms
KEYS[6] dead        zset    job id -> when it died, ms
KEYS[7] stats       hash    counters
KEYS[8] pause       hash    kind, or "" for the whole queue -> its pause, JSON
ARGV[1] soon_ms     int     what is due before this many ms is due soon

Returns     {now, running, dead, put aside, due soon, oldest of those put aside, counters (field, number, ...), pauses
            (field, JSON, ...), and for each priority all that stand there, ready, running, retrying, oldest}.  The oldest
            of those that are ready is told by its visible-at, ms, or nil.
Clock       the server's.
Cost        O(log n); where several priorities have jobs also O(running * log n): which of them run is looked up.
Uses        _parked.lua
Uses        _retrying.lua
Reply lost  repeat it.
]]
local now = now_ms()
local soon = text(now + tonumber(ARGV[1]))
local after_now = '(' .. text(now)

-- what is of another type is told as if it were empty
local function number(...)
  local reply = redis.pcall(...)
  return type(reply) == 'number' and reply or 0
end

local function list(...)
  local reply = redis.pcall(...)
  return type(reply) == 'table' and not reply.err and reply or {}
end

local running = number('ZCOUNT', KEYS[5], after_now, '+inf')
local due_soon = -number('ZCOUNT', KEYS[5], after_now, soon) -- a running job stands in its zset, under its lease's end
local totals, ranked = {}, 0
for rank = 1, 4 do
  totals[rank] = number('ZCARD', KEYS[rank])
  ranked = ranked + (totals[rank] > 0 and 1 or 0)
end

local function measure(rank)
  local zset = KEYS[rank]
  local ready = number('ZCOUNT', zset, '-inf', now)
  local waiting = totals[rank] - ready
  local runs = math.min(running, waiting)
  if ranked > 1 and runs > 0 then
    runs = math.min(number('ZINTERCARD', 2, KEYS[5], zset), waiting)
  end
  due_soon = due_soon + number('ZCOUNT', zset, after_now, soon)
  local retrying = number('ZCOUNT', retrying_key(string.sub(KEYS[7], #KEY.stats + 1), rank), after_now, '+inf')
  local oldest = list('ZRANGEBYSCORE', zset, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 1)
  return { totals[rank], ready, runs, math.min(retrying, waiting - runs), oldest[2] or false }
end

local ranks = {}
for rank = 1, 4 do
  ranks[rank] = totals[rank] > 0 and measure(rank) or { 0, 0, 0, 0, false }
end

local pauses, parked, oldest_parked = list('HGETALL', KEYS[8]), 0, nil
for i = 1, #pauses, 2 do
  local key = parked_key(KEYS[8], pauses[i])
  parked = parked + number('ZCARD', key)
  local score = tonumber(list('ZRANGE', key, 0, 0, 'WITHSCORES')[2])
  if score then
    oldest_parked = math.min(oldest_parked or score, score)
  end
end

return {
  now, running, number('ZCARD', KEYS[6]), parked, math.max(0, due_soon),
  oldest_parked and text(math.floor(oldest_parked / 4)) or false,
  list('HGETALL', KEYS[7]), pauses, unpack(ranks),
}
