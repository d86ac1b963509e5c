-- Put before every script by the loader, after the table KEY of the job-key prefixes.

-- Numbers that go into many commands are made text once: for each number that it is given, redis.call prints it and
-- the command parses it again, which costs more than the command.
local function text(number)
  return string.format('%.0f', number)
end

-- The only clock: the server's, in ms.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Until when a job holds a unique key (start, success, end, window) and its digest, as its envelope tells; or nil.
local function unique_of(body)
  if type(body) == 'string' then -- and not that there is none, or an error
    return string.match(body, '^{"m":{"u":"(%l+):(%x+)"')
  end
end

-- Let a job hold its unique key if it is free, or no longer; what is another's by now stays so.  The queue's part of
-- the key is that of its counters.
local function hold_unique(holds, stats, digest, id)
  local key = KEY.unique .. string.sub(stats, #KEY.stats + 1) .. ':' .. digest
  if holds then
    redis.call('SET', key, id, 'NX')
  elseif redis.pcall('GET', key) == id then
    redis.call('DEL', key)
  end
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

-- Whether a reply of redis.pcall is an error: here, that the key is of another type.
local function is_error(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

-- Take a key of one job out of the way that holds what it should not.  What lies there stays with the job: as it is
-- if it is a string, else as DUMP tells it.
local function set_aside(part, id)
  local kept = redis.pcall('GET', KEY[part] .. id)
  if is_error(kept) then
    kept = redis.pcall('DUMP', KEY[part] .. id)
  end
  redis.pcall('HSET', KEY.corrupt .. id, part, type(kept) == 'string' and kept or '')
  redis.call('DEL', KEY[part] .. id)
end

-- The reply to a call that is repeated because its first reply was lost, as a list of lines; or nil.
local function kept_reply(key, nonce)
  local kept = redis.call('GET', key)
  if not kept or string.sub(kept, 1, #nonce + 1) ~= nonce .. '\n' then
    return nil
  end
  local lines = {}
  for line in string.gmatch(string.sub(kept, #nonce + 2), '[^\n]+') do
    lines[#lines + 1] = line
  end
  return lines
end

-- One string, since a list of 400 elements would be a tenth of a script's time.
local function keep_reply(key, nonce, lines, ttl_ms)
  redis.call('SET', key, nonce .. '\n' .. table.concat(lines, '\n'), 'PX', ttl_ms)
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

-- SET with a time to live in ms, given as text; '0' writes nothing, '-1' keeps it for ever.
local function set_result(id, result, ttl_ms)
  if ttl_ms == '-1' then
    redis.call('SET', KEY.result .. id, result)
  elseif ttl_ms ~= '0' then
    -- GET, since the nil of a key that was not there is cheaper for Lua than the table of an OK
    local before = redis.pcall('SET', KEY.result .. id, result, 'PX', ttl_ms, 'GET')
    if before and is_error(before) then -- a key of another type
      redis.call('SET', KEY.result .. id, result, 'PX', ttl_ms)
    end
  end
end

-- arq gives payload and counter a TTL; a job that waits must not vanish, nor its fences begin anew
local function keep_for_ever(id)
  redis.call('PERSIST', KEY.job .. id)
  redis.call('PERSIST', KEY.starts .. id)
end
