-- Put after _parked.lua, before every script whose header says that it uses this: those that compare a queue with what
-- PostgreSQL knows of its jobs.

-- The highest number that an attempt of this job has had, as far as is known here.
local function number_of(id)
  local counted, fence = redis.pcall('GET', KEY.starts .. id), redis.pcall('GET', KEY.fence .. id)
  counted = type(counted) == 'string' and tonumber(string.match(counted, '^%d+$')) or 0
  fence = type(fence) == 'string' and tonumber(string.match(fence, ':(%d+)$')) or 0
  return math.max(counted, fence)
end

-- Whether a job stands in its queue (`pause` is that of the queue, whose zsets are the first of KEYS), with what it needs
-- to run.
local function is_alive(id, pause)
  local stands = false
  for rank = 1, 4 do
    stands = stands or redis.call('ZSCORE', KEYS[rank], id)
  end
  return (stands or find_parked(pause, id)) and redis.call('EXISTS', KEY.job .. id) == 1
end

-- 0 nothing lacks, 1 the job is missing, 2 its attempts are numbered lower than they have been (`fence`) already
local function lack_of(id, pause, fence)
  if not is_alive(id, pause) then
    return 1
  end
  return number_of(id) < tonumber(fence) and 2 or 0
end
