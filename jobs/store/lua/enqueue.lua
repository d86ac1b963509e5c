--[[ enqueue: nothing -> ready | scheduled; a unique rule may put off a job that waits, instead

Write jobs of one queue, each once, however often the call is repeated.

KEYS[1] critical   zset    job id -> visible-at, ms
KEYS[2] high       zset
KEYS[3] normal     zset
KEYS[4] low        zset
KEYS[5] wake       list    the wake token
KEYS[6] stats      hash    counters
ARGV[1...] jobs    5 each: id, rank (0 critical .. 3 low), when ("+ms" from now, or ms since the epoch), head (the
                   envelope up to the value of `et`), digest (16 hex digits, or "" if the id is the producer's; with a
                   unique rule " <digest of its key> <on_conflict> <ms for which it is held, 0 for no limit>" follows)

Returns     per job 1 created, 0 the same job exists, -1 another job has the id, or the id of the job that holds its
            unique key.
Clock       the server's; it also stamps `et`.
Cost        O(jobs * log n); keep to some hundreds of jobs.
Refused     if something else lies where a queue should be: nothing is written.
Reply lost  repeat it: jobs that exist are left alone.  What a job that waits was replaced with replaces it again; if
            it has started meanwhile, it is written as a job of its own.
]]
local now = now_ms()
local now_text = text(now)
local stamp = now_text .. '}'
local stride = 5
local DIGEST = 16
local codes, fresh, seen, any_unique = {}, true, {}, false

-- nearly always every id is new: learn it from one command, write all bodies by another
local marks, bodies = {}, {}
for a = 1, #ARGV, stride do
  local id = ARGV[a]
  fresh = fresh and not seen[id]
  seen[id] = true
  if #ARGV[a + 4] <= DIGEST then
    marks[#marks + 1] = KEY.result .. id
    marks[#marks + 1] = KEY.dead_letter .. id
    bodies[#bodies + 1] = KEY.job .. id
    bodies[#bodies + 1] = ARGV[a + 3] .. stamp
  else
    any_unique = true
  end
end
for rank = 1, any_unique and 4 or 0 do
  redis.call('ZCARD', KEYS[rank]) -- an error, if something else lies there, before anything is written
end
fresh = fresh and (#bodies == 0 or redis.call('EXISTS', unpack(marks)) == 0 and redis.call('MSETNX', unpack(bodies)) == 1)

local created, earliest = 0, nil

local function due(when)
  if string.sub(when, 1, 1) == '+' then
    return now + tonumber(string.sub(when, 2))
  end
  return math.max(tonumber(when), now)
end

-- to make a function costs time, and nearly always none of these is needed
local existing, compare, add_unique
if any_unique or not fresh then
  -- What is there under this id: a record, an error if that is of another type, or false.
  existing = function(id)
    return redis.pcall('GET', KEY.job .. id) or redis.pcall('GET', KEY.dead_letter .. id)
      or redis.pcall('GET', KEY.result .. id)
  end

  -- 0 or -1: is what exists the job that was asked for?  Only ids that an app has chosen carry a digest.
  compare = function(record, digest)
    if is_error(record) then
      return -1
    end
    local other = string.match(record, '^{"m":{[^}]-"h":"(%x+)"')
    if digest ~= '' and other and other ~= digest then
      return -1
    end
    return 0
  end

  -- The job that holds a unique key, and whether it waits, runs or has ended; nil if nobody does.  A holder of which
  -- nothing is left (arq's workers know of no such keys) holds nothing.
  local function holder_of(key, digest)
    local holder = redis.pcall('GET', key)
    if type(holder) ~= 'string' then
      return nil
    end
    local _, held = unique_of(redis.pcall('GET', KEY.job .. holder))
    if held == digest then
      -- its cancellation may be asked for; a tagged queue has a list of its own
      local aborts = KEY.abort .. (string.match(KEYS[6], ':{.*}$') or '')
      local runs = redis.call('EXISTS', KEY.fence .. holder) == 1 or redis.call('ZSCORE', aborts, holder)
      return holder, runs and 'runs' or 'waits'
    end
    local held_until, held_by_dead = unique_of(redis.pcall('GET', KEY.dead_letter .. holder))
    if (held_until == 'success' and held_by_dead == digest) or redis.call('PTTL', key) > 0 then
      return holder, 'ended'
    end
  end

  -- A job that waits out its backoff is counted where it stands now.
  local function follow(id, rank, score)
    local retrying = KEY.retrying .. string.sub(KEYS[6], #KEY.stats + 1) .. ':'
    for zset, priority in ipairs({ 'critical', 'high', 'normal', 'low' }) do
      if zset == rank then
        redis.pcall('ZADD', retrying .. priority, text(score), id)
      else
        redis.pcall('ZREM', retrying .. priority, id)
      end
    end
  end

  -- A waiting job moves in time, and with a rank also to another zset.
  local function put_off(id, score, rank)
    for zset = 1, 4 do
      if redis.call('ZREM', KEYS[zset], id) == 1 then
        redis.call('ZADD', KEYS[rank or zset], text(score), id)
        if redis.call('EXISTS', KEY.failures .. id) == 1 then
          follow(id, rank or zset, score)
        end
        earliest = math.min(earliest or score, score)
        return
      end
    end
    -- its kind may be paused, and a claim has put it aside; the next one does so again when it is due
    local part = string.sub(KEYS[6], #KEY.stats + 1)
    local kinds = redis.pcall('HKEYS', KEY.pause .. part)
    for _, kind in ipairs(kinds.err and {} or kinds) do
      local parked = KEY.parked .. part .. '=' .. kind
      local place = redis.call('ZSCORE', parked, id)
      if place then
        redis.call('ZREM', parked, id)
        redis.call('ZADD', KEYS[rank or place % 4 + 1], text(score), id)
        earliest = math.min(earliest or score, score)
      end
    end
  end

  -- 1, or the id of the job that holds the key.
  add_unique = function(a)
    local id, rank, score, body = ARGV[a], ARGV[a + 1] + 1, due(ARGV[a + 2]), ARGV[a + 3] .. stamp
    local digest, on_conflict, window_ms = string.match(ARGV[a + 4], ' (%x+) (%l+) (%d+)$')
    local key = KEY.unique .. string.sub(KEYS[6], #KEY.stats + 1) .. ':' .. digest
    local holder, standing = holder_of(key, digest)
    if holder and not (on_conflict == 'replace' and standing == 'runs') then
      if standing == 'waits' and on_conflict == 'replace' then
        redis.call('SET', KEY.job .. holder, body)
        if window_ms == '0' then
          redis.call('PERSIST', key)
        end
        put_off(holder, score, rank)
      elseif standing == 'waits' and on_conflict == 'reschedule' then
        put_off(holder, score)
      end
      return holder
    end
    redis.call('SET', KEY.job .. id, body)
    if window_ms == '0' then
      redis.call('SET', key, id)
    else
      redis.call('SET', key, id, 'PX', window_ms)
    end
    redis.call('ZADD', KEYS[rank], text(score), id)
    earliest = math.min(earliest or score, score)
    created = created + 1
    return 1
  end
end

local added = { {}, {}, {}, {} }
for a = 1, #ARGV, stride do
  local id, rank, when, unique = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2], any_unique and #ARGV[a + 4] > DIGEST
  local record = (not fresh or unique) and existing(id)
  if record then
    codes[#codes + 1] = compare(record, string.match(ARGV[a + 4], '^%x*'))
  elseif unique then
    codes[#codes + 1] = add_unique(a)
  else
    if not fresh then
      redis.call('SET', KEY.job .. id, ARGV[a + 3] .. stamp)
    end
    local score, score_text = now, now_text
    if when ~= '+0' then
      score = due(when)
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

for rank = 1, 4 do
  if #added[rank] > 0 then
    local reply = redis.pcall('ZADD', KEYS[rank], unpack(added[rank]))
    if is_error(reply) then -- something else than a queue lies there: what is written already is taken back
      for other = 1, 4 do
        for i = 2, #added[other], 2 do
          redis.call('DEL', KEY.job .. added[other][i])
          if other < rank then
            redis.call('ZREM', KEYS[other], added[other][i])
          end
        end
      end
      return reply
    end
    created = created + #added[rank] / 2
  end
end
if created > 0 then
  redis.call('HINCRBY', KEYS[6], 'enqueued', created)
end
if earliest then
  wake_for(earliest, now, 1, KEYS[5])
end
return codes
