--[[ forget: dead -> nothing

Of dead letters of one queue that PostgreSQL held, and holds no longer: count them, and free the unique keys that they
held until a success.

KEYS[1] stats       hash    counters
KEYS[2] archived    set     receipts of archive.lua: what is forgotten is no letter any more, whatever they say
ARGV[1] counter     str     what they are counted as: discarded or pruned
ARGV[2...] letters  3 each: id, died (ms), digest (of its unique key, or "")

Returns     how many were counted.
Cost        O(letters); keep to some hundreds of letters.
Reply lost  repeat it: at worst they are counted twice.
]]
local forgotten = (#ARGV - 1) / 3
for a = 2, #ARGV, 3 do
  local id, digest = ARGV[a], ARGV[a + 2]
  redis.call('SREM', KEYS[2], ARGV[a + 1] .. ':' .. id)
  local key = KEY.unique .. string.sub(KEYS[1], #KEY.stats + 1) .. ':' .. digest
  -- the hold of a letter has an end; one without is that of a living job which was given the same id
  if digest ~= '' and redis.call('PTTL', key) > 0 then
    hold_unique(false, KEYS[1], digest, id)
  end
end
redis.call('HINCRBY', KEYS[1], ARGV[1], forgotten)
return forgotten
