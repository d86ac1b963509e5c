--[[ renew: running -> running

Extend the leases of attempts of one queue that still own their jobs.

KEYS[1] critical    zset    job id -> visible-at, ms
KEYS[2] high        zset
KEYS[3] normal      zset
KEYS[4] low         zset
KEYS[5] running     zset    job id -> lease end, ms
KEYS[6] abort       zset    job id -> when its cancellation was asked for
ARGV[1] grace_ms    int     how long the fence outlives the lease
ARGV[2...] leases   3 each: id, fence, lease_ms

Returns     per lease 1 renewed, 2 renewed and its cancellation is asked for, 0 lost.
Clock       the server's.
Cost        O(leases * log n); keep to some hundreds of leases.
Reply lost  repeat it: a renewal can be renewed.
]]
local now = now_ms()
local stride = 3
local fence_keys = {}
for a = 2, #ARGV, stride do
  fence_keys[#fence_keys + 1] = KEY.fence .. ARGV[a]
end
local fences = redis.call('MGET', unpack(fence_keys))
local any_abort = redis.call('EXISTS', KEYS[6]) == 1

local codes, scores = {}, {}
for i, key in ipairs(fence_keys) do
  local a = 2 + (i - 1) * stride
  local id, lease_ms = ARGV[a], tonumber(ARGV[a + 2])
  codes[i] = 0
  if fences[i] == ARGV[a + 1] then
    codes[i] = any_abort and redis.call('ZSCORE', KEYS[6], id) and 2 or 1
    redis.call('PEXPIRE', key, lease_ms + tonumber(ARGV[1]))
    scores[#scores + 1] = text(now + lease_ms)
    scores[#scores + 1] = id
  end
end
if #scores > 0 then
  for key = 1, 5 do
    redis.call('ZADD', KEYS[key], 'XX', unpack(scores))
  end
end
return codes
