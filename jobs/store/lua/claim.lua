--[[ claim: ready -> running

Lease up to `limit` jobs to one worker, from queues in the order given: of each queue first the jobs whose lease ran
out, then the ready ones by priority, where every `ageing_ms` of waiting counts as one step higher.  A paused queue gives
nothing.  Jobs of a paused kind are put aside when they are due, so that no claim looks at them again before its resume.

KEYS[1] reply       string  this worker's last claim, for a repeat
KEYS[2] abort       zset    job id -> when its cancellation was asked for
KEYS[3...] queues   9 each: critical, high, normal, low (zsets: job id -> visible-at, ms), running (zset: job id ->
                    lease end, ms), wake (list), stats (hash), pause (hash: kind, or "" for the queue -> JSON), cancels
                    (hash: job id -> who asked, and why)
ARGV[1] nonce       str     new for each claim, the same for its repeats
ARGV[2] worker      str     without a colon
ARGV[3] limit       int     1..200
ARGV[4] lease_ms    int
ARGV[5] fence_ms    int     how long the fence outlives a lease that nobody renews
ARGV[6] ageing_ms   int
ARGV[7] reply_ms    int     how long the reply is kept for a repeat

Returns     {next, now, job, job, ...}, flat.  next: ms until another job is due or a pause is over, 0 if some are due
            now, -1 if none waits.  now: the clock, ms (0 if no job waits).  A job has 6 fields: queue (1..), id, fence
            number, visible-at (now + 1 if its lease ran out), its past (nil, or "spent crashes lapses abort fault note":
            attempts spent, crashes, lapses, 1 if its cancellation is asked for, which of its keys cannot be used ("-"
            none), and who asked, and why), envelope (nil if it is gone).
Clock       the server's.
Cost        O(limit * log n) per queue that gives jobs; one command in all if no job waits anywhere.  Of a queue with
            paused kinds some hundreds of jobs more are put aside or brought back.
Uses        _parked.lua
Uses        _pauses.lua
Uses        _suspicious.lua
Reply lost  repeat it with the same nonce: the same jobs come back, as far as they are still this worker's.
]]
local QUEUE_KEYS, CANCELS = 9, 8
local RESTART_GRACE_MS = 5000
-- the most jobs of paused kinds that one claim looks at, and brings back, per queue
local PUT_ASIDE_AT_ONCE, BROUGHT_BACK_AT_ONCE = 200, 500
local queue_count = (#KEYS - 2) / QUEUE_KEYS
local nonce, worker, worker_colon = ARGV[1], ARGV[2], ARGV[2] .. ':'
local limit, lease_ms, fence_ms, ageing_ms = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])

local reply, rows = { -1, 0 }, {}

-- the common idle case first: nothing waits anywhere
local waiting, pauses = {}, {}
for base = 3, #KEYS, QUEUE_KEYS do
  for key = base, base + 4 do
    waiting[#waiting + 1] = KEYS[key]
  end
  pauses[#pauses + 1] = KEYS[base + 7]
  waiting[#waiting + 1] = KEYS[base + 7]
end
if redis.call('EXISTS', unpack(waiting)) == 0 then
  return reply
end
local any_pause = redis.call('EXISTS', unpack(pauses)) > 0
local now = now_ms()
reply[2] = now
local lease_end = text(now + lease_ms)

-- what is worth telling of a job that is not on its undisturbed first start
local function past(id, starts, note, fault)
  if starts == '1' and not note and not fault then
    return false
  end
  local spent, crashes, lapses, unreadable = budget(id)
  return table.concat({ spent, crashes, lapses, note and '1' or '0', fault or unreadable or '-', note or '' }, ' ')
end

local filled = #reply
local function add(queue, id, starts, visible_at, body, note, fault)
  if not body and redis.call('EXISTS', KEY.job .. id) == 1 then
    fault = 'job' -- something lies there that is no string
  end
  reply[filled + 1], reply[filled + 2], reply[filled + 3], reply[filled + 4] = queue, id, starts, visible_at
  reply[filled + 5], reply[filled + 6] = past(id, starts, note, fault), body or false
  filled = filled + 6
end

-- Who asked for a job's cancellation, and why; "" if nobody said so, false if nobody asked.
local function cancel_note(queue, id)
  if not redis.call('ZSCORE', KEYS[2], id) then
    return false
  end
  local note = redis.pcall('HGET', KEYS[3 + (queue - 1) * QUEUE_KEYS + CANCELS], id)
  return type(note) == 'string' and note or ''
end

local kept = kept_reply(KEYS[1], nonce)
if kept then
  reply[1] = 0
  for r = 1, #kept, 4 do
    local queue, id, starts = tonumber(kept[r]), kept[r + 1], kept[r + 2]
    if redis.pcall('GET', KEY.fence .. id) == worker_colon .. starts then
      local body = redis.pcall('GET', KEY.job .. id)
      add(queue, id, starts, kept[r + 3], not is_error(body) and body, cancel_note(queue, id), quarantined(id))
    end
  end
  return reply
end

-- A worker of arq's own holds it: look again soon, and until then keep it out of the way of the others.
local function step_aside(zset, id)
  local left = redis.call('PTTL', KEY.fence .. id)
  redis.call('ZADD', zset, 'XX', now + math.max(1, math.min(left, 1000)), id)
end

local function is_foreign(fence)
  return fence and not string.find(fence, ':', 1, true)
end

-- A fence that no worker has written: arq's own have a time to live, and ours name their owner.
local function is_stuck(id, fence)
  return is_foreign(fence) and redis.call('PTTL', KEY.fence .. id) == -1
end

local function zset_of(base, id)
  for rank = 0, 3 do
    if redis.call('ZSCORE', KEYS[base + rank], id) then
      return KEYS[base + rank]
    end
  end
end

-- ms that the workers still have to come back and renew, after the server itself was away
local function restart_grace()
  local info = redis.pcall('INFO', 'server')
  local uptime = type(info) == 'string' and string.match(info, 'uptime_in_seconds:(%d+)')
  return uptime and RESTART_GRACE_MS - uptime * 1000 or 0
end

-- Jobs whose lease ran out: their worker died, froze or lost its network.
local function claim_some_orphans(base, picked)
  local running = KEYS[base + 4]
  -- those picked before stand first until they are moved; all others that were seen are there no more
  local ids = redis.call('ZRANGEBYSCORE', running, '-inf', now, 'LIMIT', #picked, limit - #picked)
  local grace_ms = #ids > 0 and restart_grace() or 0
  for _, id in ipairs(ids) do
    local zset = zset_of(base, id)
    local fence, fault = read('fence', id, '')
    if not zset or is_foreign(fence) then
      redis.call('ZREM', running, id)
    elseif grace_ms > 0 then
      redis.call('ZADD', running, now + grace_ms, id)
      redis.call('ZADD', zset, now + grace_ms, id)
    else
      redis.call('ZADD', zset, lease_end, id) -- at once, or it would be found again among the ready ones
      local counted, miscounted = read('starts', id, COUNT)
      local starts = (tonumber(counted or 0) or 0) + 1
      redis.call('SET', KEY.starts .. id, text(starts))
      local spent, crashes, lapses, unreadable = budget(id)
      redis.call('RPUSH', KEY.failures .. id, string.format(
        '{"spent":%s,"crashes":%s,"lapses":%d,"cause":"crash","fence":%d,"worker":%s,"started_ms":0,"ended_ms":%d,' ..
        '"error_type":"","message":"the worker died, froze, or lost its connection","traceback":""}',
        spent, crashes, lapses + 1, starts, cjson.encode(string.match(fence or '', '^(.*):') or ''), now))
      redis.call('HINCRBY', KEYS[base + 6], 'failed:crash', 1)
      fault = fault or miscounted or unreadable or quarantined(id)
      picked[#picked + 1] = { id = id, zset = zset, visible_at = text(now), orphan = true, fault = fault }
    end
  end
  return #ids > 0
end

-- All of them, as far as there are slots: one that was left over would pass for a job that is ready.
local function claim_orphans(base, picked)
  while #picked < limit and claim_some_orphans(base, picked) do
  end
end

-- Ready jobs by effective rank (rank minus one per `ageing_ms` waited), the longest waiting first within it.
local function claim_ready(base, picked, need)
  local lists, more = {}, false
  for rank = 0, 3 do
    local found = redis.call('ZRANGEBYSCORE', KEYS[base + rank], '-inf', now, 'WITHSCORES', 'LIMIT', 0, need + 1)
    if #found > 0 then
      lists[#lists + 1] = { rank = rank, zset = KEYS[base + rank], found = found, at = 1 }
    end
  end
  if #lists == 1 then -- nearly always: nothing to compare
    local zset, found = lists[1].zset, lists[1].found
    local at = #picked
    for i = 1, math.min(need * 2, #found), 2 do
      at = at + 1
      picked[at] = { id = found[i], zset = zset, visible_at = found[i + 1] }
    end
    return #found > need * 2
  end
  while need > 0 do
    local best, best_rank, best_score
    for _, list in ipairs(lists) do
      local score = tonumber(list.found[list.at + 1])
      if score then
        local rank = math.max(0, list.rank - math.floor((now - score) / ageing_ms))
        if not best or rank < best_rank or (rank == best_rank and score < best_score) then
          best, best_rank, best_score = list, rank, score
        end
      end
    end
    if not best then
      break
    end
    picked[#picked + 1] = { id = best.found[best.at], zset = best.zset, visible_at = best.found[best.at + 1] }
    best.at = best.at + 2
    need = need - 1
  end
  for _, list in ipairs(lists) do
    more = more or list.found[list.at] ~= nil
  end
  return more
end

-- Take the lease of one job; false if somebody holds it.
local function lease(base, job, starts)
  local fence = worker_colon .. starts
  if job.orphan then
    redis.call('SET', KEY.fence .. job.id, fence, 'PX', fence_ms)
    -- no other job is due later than it is claimed: by that its worker knows that it takes it over
    job.starts, job.visible_at = starts, text(now + 1)
    return true
  end
  local held = redis.pcall('SET', KEY.fence .. job.id, fence, 'NX', 'GET', 'PX', fence_ms)
  if held and (is_error(held) or is_stuck(job.id, held)) then
    set_aside('fence', job.id)
    job.fault = 'fence'
    redis.call('SET', KEY.fence .. job.id, fence, 'PX', fence_ms)
  elseif held then
    if is_foreign(held) then
      step_aside(job.zset, job.id)
      return false
    end
    local held_until = redis.call('ZSCORE', KEYS[base + 4], job.id)
    if held_until and tonumber(held_until) > now then
      redis.call('ZADD', job.zset, 'XX', held_until, job.id) -- arq's abort() has moved a job that runs
      return false
    end
    redis.call('SET', KEY.fence .. job.id, fence, 'PX', fence_ms)
  end
  job.starts = starts
  return true
end

local function move(base, jobs)
  local running, by_zset = {}, {}
  for i, job in ipairs(jobs) do
    running[2 * i - 1], running[2 * i] = lease_end, job.id
    local moved = by_zset[job.zset]
    if not moved then
      moved = {}
      by_zset[job.zset] = moved
    end
    local at = #moved
    moved[at + 1], moved[at + 2] = lease_end, job.id
  end
  redis.call('ZADD', KEYS[base + 4], unpack(running))
  for zset, moved in pairs(by_zset) do
    redis.call('ZADD', zset, 'XX', unpack(moved))
  end
  redis.call('HINCRBY', KEYS[base + 6], 'started', #jobs)
end

local function next_start(job, counted)
  if not string.find(counted, COUNT) then
    set_aside('starts', job.id)
    job.fault, counted = 'starts', '0'
  end
  return text((tonumber(counted) or 0) + 1)
end

-- The leases of those that could be taken.  `starts` counts the starts that ended without success; only a job that
-- has had one has the key.
local function lease_all(base, picked)
  local keys, leased = {}, {}
  for i, job in ipairs(picked) do
    keys[i] = KEY.starts .. job.id
  end
  local starts = redis.call('MGET', unpack(keys))
  for i, job in ipairs(picked) do
    if lease(base, job, starts[i] and next_start(job, starts[i]) or '1') then
      leased[#leased + 1] = job
    end
  end
  return leased
end

local function report(queue, base, jobs)
  local keys = {}
  for i, job in ipairs(jobs) do
    keys[i] = KEY.job .. job.id
  end
  local bodies = redis.call('MGET', unpack(keys))
  local any_abort = redis.call('EXISTS', KEYS[2]) == 1
  for i, job in ipairs(jobs) do
    local body = bodies[i]
    local head = body and string.sub(body, 1, 8)
    if head == '{"m":{"u' then
      local held_until, digest = unique_of(body)
      if held_until == 'start' then
        hold_unique(false, KEYS[base + 6], digest, job.id)
      end
    elseif head and head ~= '{"m":{"v' then
      keep_for_ever(job.id)
    end
    local note = any_abort and cancel_note(queue, job.id)
    add(queue, job.id, job.starts, job.visible_at, body, note, job.fault)
    if not string.find(job.id, '\n', 1, true) then -- an id of arq's may hold anything; such a lease runs out instead
      local at = #rows
      rows[at + 1], rows[at + 2], rows[at + 3], rows[at + 4] = queue, job.id, job.starts, job.visible_at
    end
  end
end

-- ms until the next job of this queue is due, or -1
local function next_due(base)
  local first
  for rank = 0, 3 do
    local head = redis.call('ZRANGEBYSCORE', KEYS[base + rank], '(' .. text(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    local score = tonumber(head[2])
    if score and (not first or score < first) then
      first = score
    end
  end
  return first and math.max(1, math.ceil(first - now)) or -1
end

local function sooner(one, other)
  if one < 0 or (other >= 0 and other < one) then
    return other
  end
  return one
end

-- Lease what one queue gives; whether it has more to give.
local function serve(queue, base, paused)
  local kinds = paused and next(paused.kinds) and paused.kinds
  local looked_at = 0
  while looked_at < PUT_ASIDE_AT_ONCE do
    local picked = {}
    claim_orphans(base, picked)
    local more = claim_ready(base, picked, limit - #picked)
    local found = #picked
    looked_at = looked_at + found
    if kinds then
      picked = without_paused(base, picked, kinds)
    end
    local leased = #picked > 0 and lease_all(base, picked) or picked
    if #leased > 0 then
      move(base, leased)
      report(queue, base, leased)
      limit = limit - #leased
    end
    if #picked == found or limit == 0 then
      return more
    end
  end
  return true
end

for queue = 1, queue_count do
  local base = 3 + (queue - 1) * QUEUE_KEYS
  local paused = any_pause and read_pauses(KEYS[base + 7], now, base, BROUGHT_BACK_AT_ONCE)
  local is_open = not (paused and paused.whole)
  local more = is_open and limit == 0
  if limit > 0 then
    more = is_open and serve(queue, base, paused)
    more = more or (is_open and paused and paused.more)
    -- who has slots left will be back when the next job is due; who has none passes the token on
    if more or limit == 0 then
      push_token(KEYS[base + 5])
    else
      redis.call('DEL', KEYS[base + 5])
    end
  end
  reply[1] = sooner(reply[1], more and 0 or (is_open and next_due(base) or -1))
  if paused and paused.over then
    reply[1] = sooner(reply[1], math.max(1, math.ceil(paused.over - now)))
  end
end

if #rows > 0 then
  keep_reply(KEYS[1], nonce, rows, ARGV[7])
end
return reply
