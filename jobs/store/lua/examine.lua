--[[ examine: all that is known of one job in one queue, at one moment

KEYS[1] critical    zset    job id -> visible-at, ms
KEYS[2] high        zset
KEYS[3] normal      zset
KEYS[4] low         zset
KEYS[5] running     zset    job id -> lease end, ms
KEYS[6] dead        zset    job id -> when it died, ms
KEYS[7] abort       zset    job id -> when its cancellation was asked for
KEYS[8] pause       hash    kind, or "" for the whole queue -> its pause, JSON
ARGV[1] id          str
ARGV[2] ageing_ms   int     as the workers have it

Returns     {now, rank, visible-at, put aside (1 or 0), lease end, died at, abort asked at, fence, starts, last failure,
            envelope, dead letter, result, result's time to live, pauses (field, JSON, ...), ahead}; what is not there
            is nil.  ahead: for each priority how many jobs a claim would take before this one; nil if it is not due.
Clock       the server's.
Cost        O(log n).
Uses        _parked.lua
Reply lost  repeat it.
]]
local id, ageing_ms = ARGV[1], tonumber(ARGV[2])
local now = now_ms()

local rank, visible_at, is_parked
for r = 0, 3 do
  local score = redis.call('ZSCORE', KEYS[r + 1], id)
  if score then
    rank, visible_at, is_parked = r, tonumber(score), 0
  end
end
if not rank then
  local parked = find_parked(KEYS[8], id)
  if parked then
    rank, visible_at, is_parked = parked.rank, parked.visible_at, 1
  end
end

-- How many due jobs of one zset are claimed before ours: those of a better effective rank (the rank minus one per
-- `ageing_ms` waited, at least 0), and those of the same that are older.
local function ahead_in(other, effective)
  if other == rank and is_parked == 0 then
    return redis.call('ZRANK', KEYS[rank + 1], id)
  end
  local as_good_from = now - math.max(0, other - effective) * ageing_ms
  local older = other < rank and visible_at or visible_at - 1
  local last = math.min(as_good_from, older)
  if effective > 0 then
    last = math.max(last, now - math.max(0, other - effective + 1) * ageing_ms)
  end
  return redis.call('ZCOUNT', KEYS[other + 1], '-inf', text(last))
end

local ahead
if rank and visible_at <= now then
  ahead = {}
  local effective = math.max(0, rank - math.floor((now - visible_at) / ageing_ms))
  for other = 0, 3 do
    ahead[other + 1] = ahead_in(other, effective)
  end
end

-- What lies at a key; what is of another type is told as if it were empty.
local function peek(...)
  local reply = redis.pcall(...)
  return type(reply) == 'table' and reply.err and '' or reply
end

return {
  now,
  rank or false,
  visible_at and text(visible_at) or false,
  is_parked or 0,
  redis.call('ZSCORE', KEYS[5], id),
  redis.call('ZSCORE', KEYS[6], id),
  redis.call('ZSCORE', KEYS[7], id),
  peek('GET', KEY.fence .. id),
  peek('GET', KEY.starts .. id),
  peek('LINDEX', KEY.failures .. id, -1),
  peek('GET', KEY.job .. id),
  peek('GET', KEY.dead_letter .. id),
  peek('GET', KEY.result .. id),
  redis.call('PTTL', KEY.result .. id),
  peek('HGETALL', KEYS[8]),
  ahead or false,
}
