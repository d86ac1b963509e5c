--[[ enqueue: nothing -> ready | scheduled

Write jobs of one queue, each once, however often the call is repeated.

KEYS[1] critical   zset    job id -> visible-at, ms
KEYS[2] high       zset
KEYS[3] normal     zset
KEYS[4] low        zset
KEYS[5] wake       list    the wake token
KEYS[6] stats      hash    counters
ARGV[1...] jobs    5 each: id, rank (0 critical .. 3 low), when ("+ms" from now, or ms since the epoch), head (the
                   envelope up to the value of `et`), digest (16 hex digits, or "" if the id is the producer's)

Returns     per job 1 created, 0 the same job exists, -1 another job has the id.
Clock       the server's; it also stamps `et`.
Cost        O(jobs * log n); keep to some hundreds of jobs.
Reply lost  repeat it: jobs that exist are left alone.
]]
local now = now_ms()
local now_text = text(now)
local stamp = now_text .. '}'
local stride = 5
local codes, fresh, seen = {}, true, {}

-- nearly always every id is new: learn it from one command, write all bodies by another
local marks, bodies = {}, {}
for a = 1, #ARGV, stride do
  local id = ARGV[a]
  fresh = fresh and not seen[id]
  seen[id] = true
  marks[#marks + 1] = KEY.result .. id
  marks[#marks + 1] = KEY.dead_letter .. id
  bodies[#bodies + 1] = KEY.job .. id
  bodies[#bodies + 1] = ARGV[a + 3] .. stamp
end
fresh = fresh and redis.call('EXISTS', unpack(marks)) == 0 and redis.call('MSETNX', unpack(bodies)) == 1

-- What is there under this id: a record, an error if that is of another type, or false.
local function existing(id)
  return redis.pcall('GET', KEY.job .. id) or redis.pcall('GET', KEY.dead_letter .. id)
    or redis.pcall('GET', KEY.result .. id)
end

-- 0 or -1: is what exists the job that was asked for?  Only ids that an app has chosen carry a digest.
local function compare(record, digest)
  if is_error(record) then
    return -1
  end
  local other = string.match(record, '^{"m":{"v":%d+,"h":"(%x+)"')
  if digest ~= '' and other and other ~= digest then
    return -1
  end
  return 0
end

local added = { {}, {}, {}, {} }
local earliest
for a = 1, #ARGV, stride do
  local id, rank, when = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2]
  local record = not fresh and existing(id)
  if record then
    codes[#codes + 1] = compare(record, ARGV[a + 4])
  else
    if not fresh then
      redis.call('SET', KEY.job .. id, ARGV[a + 3] .. stamp)
    end
    local score, score_text = now, now_text
    if when ~= '+0' then
      if string.sub(when, 1, 1) == '+' then
        score = now + tonumber(string.sub(when, 2))
      else
        score = math.max(tonumber(when), now)
      end
      score_text = text(score)
    end
    local zset = added[rank + 1]
    local at = #zset
    zset[at + 1], zset[at + 2] = score_text, id
    if not earliest or score < earliest then
      earliest = score
    end
    codes[#codes + 1] = 1
  end
end

local created = 0
for rank = 1, 4 do
  if #added[rank] > 0 then
    redis.call('ZADD', KEYS[rank], unpack(added[rank]))
    created = created + #added[rank] / 2
  end
end
if created > 0 then
  redis.call('HINCRBY', KEYS[6], 'enqueued', created)
  wake_for(earliest, now, 1, KEYS[5])
end
return codes
