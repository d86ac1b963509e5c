--[[ restore: nothing -> ready | scheduled

Write jobs of one queue that PostgreSQL knows of and that this server has lost.  Whatever it still has of such a job is
older, and gives way: the result or the dead letter of a life before its replay.

KEYS[1] critical    zset    job id -> visible-at, ms
KEYS[2] high        zset
KEYS[3] normal      zset
KEYS[4] low         zset
KEYS[5] pause       hash    kind, or "" for the whole queue -> its pause, JSON
KEYS[6] wake        list    the wake token
KEYS[7] stats       hash    counters
KEYS[8] dead        zset    job id -> when it died, ms
ARGV[1...] jobs     8 each: id, rank (0 critical .. 3 low), when (ms since the epoch; "-ms" it has been due since then,
                    "+ms" from now), body (the envelope), fence (number of the newest attempt that PostgreSQL knows of),
                    starts (after which its next attempt is numbered), failure (JSON, or ""), window_ms (how long it
                    still holds a unique key that is held for a time span)

Returns     per job 1 restored, 2 it was there, and its attempts are numbered from `starts` on now, 0 it lacked nothing.
Clock       the server's.
Cost        O(jobs * log n); keep to some hundreds of jobs.
Uses        _parked.lua
Uses        _standing.lua
Reply lost  repeat it: what was restored is there.
]]
local now = now_ms()
local codes, restored, earliest = {}, 0, nil

local function due(when)
  local sign, ms = string.match(when, '^([+-]?)(%d+)$')
  if sign == '+' then
    return now + ms
  end
  return sign == '-' and math.min(now, tonumber(ms)) or tonumber(ms)
end

local function number_from(id, starts)
  local highest = number_of(id)
  if is_error(redis.pcall('GET', KEY.starts .. id)) then
    redis.call('DEL', KEY.starts .. id)
  end
  redis.call('SET', KEY.starts .. id, highest > tonumber(starts) and text(highest) or starts)
end

local function bury_the_past(id)
  redis.call('ZREM', KEYS[8], id)
  redis.call('DEL', KEY.dead_letter .. id, KEY.result .. id, KEY.corrupt .. id)
end

local function tell(id, failure)
  if failure ~= '' and is_error(redis.pcall('RPUSH', KEY.failures .. id, failure)) then -- a key of another type
    redis.call('DEL', KEY.failures .. id)
    redis.call('RPUSH', KEY.failures .. id, failure)
  end
end

local function take_unique(id, body, window_ms)
  local held_until, digest = unique_of(body)
  if digest and held_until ~= 'window' then
    hold_unique(true, KEYS[7], digest, id)
  elseif digest and window_ms ~= '0' then
    redis.call('SET', KEY.unique .. string.sub(KEYS[7], #KEY.stats + 1) .. ':' .. digest, id, 'NX', 'PX', window_ms)
  end
end

-- where it stands already, if only its envelope was gone
local function place(id, rank, score)
  for other = 1, 4 do
    if redis.call('ZSCORE', KEYS[other], id) then
      return
    end
  end
  local parked = find_parked(KEYS[5], id)
  if parked then
    redis.call('ZREM', parked.key, id)
  end
  redis.call('ZADD', KEYS[rank], text(score), id)
  earliest = math.min(earliest or score, score)
end

for a = 1, #ARGV, 8 do
  local id, body, fence, starts = ARGV[a], ARGV[a + 3], ARGV[a + 4], ARGV[a + 5]
  local code = lack_of(id, KEYS[5], fence)
  if code == 1 then
    bury_the_past(id)
    number_from(id, starts)
    tell(id, ARGV[a + 6])
    redis.call('SET', KEY.job .. id, body)
    take_unique(id, body, ARGV[a + 7])
    place(id, ARGV[a + 1] + 1, due(ARGV[a + 2]))
    restored = restored + 1
  elseif code == 2 then
    number_from(id, starts)
  end
  codes[#codes + 1] = code
end
if restored > 0 then
  redis.call('HINCRBY', KEYS[7], 'restored', restored)
end
if earliest then
  wake_for(earliest, now, 1, KEYS[6])
end
return codes
