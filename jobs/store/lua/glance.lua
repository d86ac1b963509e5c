--[[ glance: what is there to see of jobs of one queue that have not ended?

KEYS[1] running     zset    job id -> lease end, ms
ARGV[1] budget      int     bytes after which no further job is read
ARGV[2...] jobs     1 each: id

Returns     {now, lease end, fence, starts, last failure, envelope, lease end, ...}: of the first jobs, as many as the
            budget lets through, at least one.  nil where there is nothing, or something of another type.
Clock       the server's.
Cost        O(jobs); keep to some hundreds of jobs.
Reply lost  repeat it.
]]
local budget = tonumber(ARGV[1])
local reply, filled = { now_ms() }, 1

-- a key of another type must not hide the jobs beside it
local function read(...)
  local value = redis.pcall(...)
  return type(value) == 'string' and value or false
end

for a = 2, #ARGV do
  local id = ARGV[a]
  local failure, envelope = read('LINDEX', KEY.failures .. id, -1), read('GET', KEY.job .. id)
  reply[filled + 1] = redis.call('ZSCORE', KEYS[1], id)
  reply[filled + 2] = read('GET', KEY.fence .. id)
  reply[filled + 3] = read('GET', KEY.starts .. id)
  reply[filled + 4], reply[filled + 5] = failure, envelope
  filled = filled + 5
  budget = budget - (failure and #failure or 0) - (envelope and #envelope or 0)
  if budget < 0 then
    break
  end
end
return reply
