-- Put after the prelude of every script whose header says that it uses this.

-- Jobs that wait out their backoff stand in a zset of their own as well, so that they can be counted.  A job that is
-- due is none of them: nobody need take it out, and the next retry of its queue does.  `part` is the queue's part of
-- any of its keys.
local function retrying_key(part, rank)
  local priorities = { 'critical', 'high', 'normal', 'low' }
  return KEY.retrying .. part .. ':' .. priorities[rank]
end

-- `waiting` has visible-at and id of each, flat.  For counts alone: what lies there that is no zset must stop no job.
local function begin_retries(part, rank, waiting, now)
  local key = retrying_key(part, rank)
  redis.pcall('ZREMRANGEBYSCORE', key, '-inf', text(now))
  redis.pcall('ZADD', key, unpack(waiting))
end

-- A job that waits goes, or is due at another time than it was.
local function end_retry(part, id)
  for rank = 1, 4 do
    redis.pcall('ZREM', retrying_key(part, rank), id)
  end
end
