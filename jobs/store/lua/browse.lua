--[[ browse: what do dead letters say?

Read letters of one queue without their earlier attempts.  Of a job that is no dead letter (any more) it tells the last
failure alone: whether a replayed one has failed again.

KEYS[1] dead        zset    job id -> when it died, ms
ARGV[1] budget      int     bytes after which no further letter is read
ARGV[2...] letters  1 each: id

Returns     {died, envelope, failure, died, envelope, failure, ...} of the first letters, as many as the budget lets
            through, at least one.  died: ms, nil if it is no dead letter.  failure: the last one.  nil too where there
            is nothing, or something of another type.
Cost        O(letters); keep to some hundreds of letters.
Reply lost  repeat it.
]]
local budget = tonumber(ARGV[1])
local reply, filled = {}, 0

-- a key of another type must not hide the letters beside it
local function read(...)
  local value = redis.pcall(...)
  return type(value) == 'string' and value or false
end

for a = 2, #ARGV do
  local id = ARGV[a]
  local body = read('GET', KEY.dead_letter .. id)
  local failure = read('LINDEX', KEY.failures .. id, -1)
  reply[filled + 1], reply[filled + 2], reply[filled + 3] = redis.call('ZSCORE', KEYS[1], id), body, failure
  filled = filled + 3
  budget = budget - (body and #body or 0) - (failure and #failure or 0)
  if budget < 0 then
    break
  end
end
return reply
