--[[ compare: what does a queue lack of jobs that have not ended?

KEYS[1] critical    zset    job id -> visible-at, ms
KEYS[2] high        zset
KEYS[3] normal      zset
KEYS[4] low         zset
KEYS[5] pause       hash    kind, or "" for the whole queue -> its pause, JSON
ARGV[1...] jobs     2 each: id, fence (number of the newest attempt that PostgreSQL knows of)

Returns     per job 0 nothing, 1 the job: it stands nowhere, or its envelope is gone, 2 the numbers of its attempts: they
            are lower than they have been already.
Cost        O(jobs); keep to some hundreds of jobs.
Uses        _parked.lua
Uses        _standing.lua
Reply lost  repeat it.
]]
local codes = {}
for a = 1, #ARGV, 2 do
  codes[#codes + 1] = lack_of(ARGV[a], KEYS[5], ARGV[a + 1])
end
return codes
