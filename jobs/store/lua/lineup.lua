--[[ lineup: which jobs of one queue come next, by the time at which they may be claimed

Those that wait, and those that run: a running one stands where its lease ends.  Those that were put aside because
their kind is paused stand where they stood before.  Jobs of the same time stand by priority, then by id, byte by byte.

KEYS[1] critical     zset    job id -> visible-at, ms
KEYS[2] high         zset
KEYS[3] normal       zset
KEYS[4] low          zset
KEYS[5] pause        hash    kind, or "" for the whole queue -> its pause, JSON
ARGV[1] from_ms      int     the earliest time that is looked at
ARGV[2] to_ms        int     the latest
ARGV[3] backwards    int     1: the last ones first
ARGV[4] limit        int     keep to some hundreds
ARGV[5] visible_at   str     the place after which it begins: a time as this script has told it, or '' for none;
ARGV[6] rank         int     the priority there, 0 is critical;
ARGV[7] id           str     and the job, which may be gone by now

Returns     {id, visible-at, rank, ...}
Cost        O((4 + paused kinds) * (limit + log n)).
Uses        _parked.lua
Reply lost  repeat it.
]]
local from_ms, to_ms, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local backwards = ARGV[3] == '1'
local place = ARGV[5] ~= '' and { at = tonumber(ARGV[5]), rank = tonumber(ARGV[6]), id = ARGV[7] } or nil

-- All digits of a score, and not only those that `text` keeps.
local function exact(score)
  return string.format('%.17g', score)
end

-- The order of zsets, which is that of bytes: `<` goes by the server's locale.
local function is_before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return x < y
    end
  end
  return #a < #b
end

-- How many members of a zset have a lower score.
local function below(key, score)
  return redis.call('ZCOUNT', key, '-inf', '(' .. exact(score))
end

local function up_to(key, score)
  return redis.call('ZCOUNT', key, '-inf', exact(score))
end

-- How many members stand before the one of this score and id; and 1 if it is there, else 0.
local function locate(key, score, id)
  if tonumber(redis.call('ZSCORE', key, id) or '') == score then
    return redis.call('ZRANK', key, id), 1
  end
  local low, high = below(key, score), up_to(key, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_before(redis.call('ZRANGE', key, middle, middle)[1], id) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low, 0
end

-- The part of a zset that counts, as positions in it: from the first to before the last.  `score_of` makes its scores
-- of a time and a rank; `rank` is nil where the scores tell it.
local function bounds(key, rank, score_of)
  local first, last = below(key, score_of(from_ms, 0)), up_to(key, score_of(to_ms, 3))
  if not place then
    return first, last
  end
  local score = score_of(place.at, place.rank)
  local before, there = 0, 0
  if rank and rank ~= place.rank then
    before = rank < place.rank and up_to(key, score) or below(key, score)
  else
    before, there = locate(key, score, place.id)
  end
  if backwards then
    return first, math.min(last, before)
  end
  return math.max(first, before + there), last
end

-- The next members of a zset: {id, score, id, score, ...}.
local function members(key, rank, score_of)
  local first, last = bounds(key, rank, score_of)
  if first >= last then
    return {}
  end
  if not backwards then
    return redis.call('ZRANGE', key, first, math.min(last, first + limit) - 1, 'WITHSCORES')
  end
  local size = redis.call('ZCARD', key)
  local begin = size - last
  return redis.call('ZRANGE', key, begin, begin + math.min(limit, last - first) - 1, 'REV', 'WITHSCORES')
end

local function by_time(at)
  return at
end

local function by_time_and_rank(at, rank)
  return at * 4 + rank
end

-- Each source: what it has, and how far that was taken.
local sources = {}
local function add(found, rank)
  sources[#sources + 1] = { found = found, rank = rank, at = 1 }
end
for rank = 0, 3 do
  add(members(KEYS[rank + 1], rank, by_time), rank)
end
local kinds = redis.pcall('HKEYS', KEYS[5])
for _, kind in ipairs(kinds.err and {} or kinds) do
  if kind ~= '' then
    add(members(parked_key(KEYS[5], kind), nil, by_time_and_rank), nil)
  end
end

local function head(source)
  local id = source.found[source.at]
  if not id then
    return nil
  end
  local score, rank = tonumber(source.found[source.at + 1]), source.rank
  if not rank then
    rank = score % 4
    score = (score - rank) / 4
  end
  return { id = id, at = score, rank = rank }
end

local function comes_first(a, b)
  if a.at ~= b.at then
    return (a.at < b.at) ~= backwards
  end
  if a.rank ~= b.rank then
    return (a.rank < b.rank) ~= backwards
  end
  return is_before(a.id, b.id) ~= backwards
end

local reply, filled = {}, 0
while filled < limit * 3 do
  local best, from
  for _, source in ipairs(sources) do
    local one = head(source)
    if one and (not best or comes_first(one, best)) then
      best, from = one, source
    end
  end
  if not best then
    break
  end
  from.at = from.at + 2
  reply[filled + 1], reply[filled + 2], reply[filled + 3] = best.id, exact(best.at), best.rank
  filled = filled + 3
end
return reply
