-- Put before every script by the loader, after the table KEY of the job-key prefixes.

-- The only clock: the server's, in ms.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- One token at most: it says "there is something to claim or a new earliest time", not how much.
local function push_token(wake)
  if redis.call('LLEN', wake) == 0 then
    redis.call('RPUSH', wake, '1')
  end
end

-- Wake one idle worker if a job that was just given `score` is due, or is now the first of all that wait.
-- `ranks` are the positions in KEYS of the four zsets.
local function wake_for(score, now, first_rank, wake)
  if score > now then
    for rank = first_rank, first_rank + 3 do
      local head = redis.call('ZRANGE', KEYS[rank], 0, 0, 'WITHSCORES')
      if head[2] and tonumber(head[2]) < score then
        return
      end
    end
  end
  push_token(wake)
end

-- The reply to a call that is repeated because its first reply was lost, or nil.
local function kept_reply(key, nonce)
  if redis.call('LINDEX', key, 0) ~= nonce then
    return nil
  end
  return redis.call('LRANGE', key, 1, -1)
end

local function keep_reply(key, nonce, reply, ttl_ms)
  redis.call('DEL', key)
  redis.call('RPUSH', key, nonce, unpack(reply))
  redis.call('PEXPIRE', key, ttl_ms)
end

-- Tell those who wait for the end of these jobs.
local function notify(waiters, ids)
  if #ids == 0 or redis.call('EXISTS', waiters) == 0 then
    return
  end
  local channels = redis.call('HMGET', waiters, unpack(ids))
  for i = 1, #ids do
    if channels[i] then
      for channel in string.gmatch(channels[i], '%S+') do
        redis.call('PUBLISH', channel, ids[i])
      end
      redis.call('HDEL', waiters, ids[i])
    end
  end
end

-- SET with a time to live in ms; 0 writes nothing, -1 keeps it for ever.
local function set_result(id, result, ttl_ms)
  if ttl_ms > 0 then
    redis.call('SET', KEY.result .. id, result, 'PX', ttl_ms)
  elseif ttl_ms < 0 then
    redis.call('SET', KEY.result .. id, result)
  end
end
