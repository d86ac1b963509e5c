--[[ inspect: where does a job stand?

KEYS[1] critical    zset    job id -> visible-at, ms
KEYS[2] high        zset
KEYS[3] normal      zset
KEYS[4] low         zset
KEYS[5] waiters     hash    job id -> channels
KEYS[6] pause       hash    kind, or "" for the whole queue -> its pause, JSON
ARGV[1] id          str
ARGV[2] channel     str     publish the job's end here; "" to only look

Returns     {what, record}: "ended" and the result; "dead", the last failure and the envelope; "scheduled", "ready",
            "running" or "retrying"; "unknown".
Clock       the server's.
Cost        O(1).
Uses        _parked.lua
Reply lost  repeat it.
]]
local id, channel = ARGV[1], ARGV[2]

-- A reply of pcall; for a key of another type what no record can be.
local function readable(reply)
  return is_error(reply) and '' or reply
end

local result = readable(redis.pcall('GET', KEY.result .. id))
if result then
  return { 'ended', result }
end
local letter = readable(redis.pcall('GET', KEY.dead_letter .. id))
if letter then
  return { 'dead', readable(redis.pcall('LINDEX', KEY.failures .. id, -1)), letter }
end
local score
for rank = 1, 4 do
  score = score or redis.call('ZSCORE', KEYS[rank], id)
end
if not score then
  local parked = find_parked(KEYS[6], id)
  if not parked then
    return { 'unknown' }
  end
  score = parked.visible_at
end
if channel ~= '' then
  local known = redis.call('HGET', KEYS[5], id)
  if not known then
    redis.call('HSET', KEYS[5], id, channel)
  elseif not string.find(' ' .. known .. ' ', ' ' .. channel .. ' ', 1, true) then
    redis.call('HSET', KEYS[5], id, known .. ' ' .. channel)
  end
end
local fence = readable(redis.pcall('GET', KEY.fence .. id))
local due = tonumber(score) <= now_ms()
if fence and (not due or not string.find(fence, ':', 1, true)) then
  return { 'running' } -- a fence of arq's own workers has no colon, and they leave the score as it was
end
if due then
  return { 'ready' }
end
return { redis.call('EXISTS', KEY.failures .. id) == 1 and 'retrying' or 'scheduled' }
