-- Put after _parked.lua, before every script whose header says that it uses this.

-- Let up to `limit` jobs that were put aside stand in their queue again, where they stood before.  The pause of their
-- kind is gone with the last of them.  Returns how many are left.
local function bring_back(pause, kind, first_rank, limit)
  local key = parked_key(pause, kind)
  local found = redis.call('ZRANGE', key, 0, limit - 1, 'WITHSCORES')
  for i = 1, #found, 2 do
    local rank = found[i + 1] % 4
    redis.call('ZADD', KEYS[first_rank + rank], text((found[i + 1] - rank) / 4), found[i])
    redis.call('ZREM', key, found[i])
  end
  local left = redis.call('ZCARD', key)
  if left == 0 then
    redis.call('HDEL', pause, kind)
  end
  return left
end

-- What is paused in a queue: the `whole` of it, or some `kinds`; `over` tells when the next pause ends, ms.  A pause
-- whose time is over is taken back, and up to `limit` jobs of its kind with it; `more` says that some are not back yet.
local function read_pauses(pause, now, first_rank, limit)
  local flat = redis.pcall('HGETALL', pause)
  if flat.err then
    flat = {}
  end
  local paused = { whole = false, kinds = {}, over = nil, more = false }
  for i = 1, #flat, 2 do
    local kind = flat[i]
    local ends = tonumber(string.match(flat[i + 1], '^{"at_ms":%d+,"until_ms":(%d+)'))
    if ends and ends <= now then
      paused.more = bring_back(pause, kind, first_rank, limit) > 0 or paused.more
    else
      paused.over = ends and math.min(ends, paused.over or ends) or paused.over
      if kind == '' then
        paused.whole = true
      else
        paused.kinds[kind] = true
      end
    end
  end
  return paused
end

-- nil for what cannot be read here, arq's pickles among it: such a job passes for one of a kind that is not paused
local function kind_of(body)
  return body and (string.match(body, '^{"m":{[^}]*},"t":[^,]*,"f":"([^"]*)"')
    or string.match(body, '^{%s*"t":[^,]*,%s*"f":%s*"([^"]*)"'))
end

-- Of a claim: `job` has the fields that it is picked with.
local function put_aside(pause, first_rank, running, job, kind, body)
  local rank = 0
  while KEYS[first_rank + rank] ~= job.zset do
    rank = rank + 1
  end
  redis.call('ZREM', job.zset, job.id)
  redis.call('ZADD', parked_key(pause, kind), text(math.floor(job.visible_at) * 4 + rank), job.id)
  if job.orphan then -- nobody runs it, and a late outcome must not end a job that stands in no queue
    redis.call('ZREM', running, job.id)
    redis.call('DEL', KEY.fence .. job.id)
  end
  if string.sub(body, 1, 5) ~= '{"m":' then
    keep_for_ever(job.id)
  end
end

-- Those of `picked` whose kind is not paused; the others are put aside, before anything of them is leased.  A job that
-- somebody holds is left to `lease`, and one with keys that cannot be used comes to its end, paused or not.
local function without_paused(base, picked, kinds)
  local keys, left = {}, {}
  for i, job in ipairs(picked) do
    keys[i] = KEY.job .. job.id
  end
  local bodies = #keys > 0 and redis.call('MGET', unpack(keys)) or {}
  for i, job in ipairs(picked) do
    local kind = kind_of(bodies[i])
    if kind and kinds[kind] and not job.fault and (job.orphan or redis.call('EXISTS', KEY.fence .. job.id) == 0) then
      put_aside(KEYS[base + 7], base, KEYS[base + 4], job, kind, bodies[i])
    else
      left[#left + 1] = job
    end
  end
  return left
end
