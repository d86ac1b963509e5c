-- Put after the prelude of every script whose header says that it uses this.

-- Where due jobs of a kind stand while it is paused.
local function parked_key(pause, kind)
  return KEY.parked .. string.sub(pause, #KEY.pause + 1) .. '=' .. kind
end

-- Where a job was put aside: {key, kind, rank, visible_at}, or nil.  A kind that has such jobs has a field in the hash
-- of pauses; what is no hash, by whatever mishap, must stop nobody.
local function find_parked(pause, id)
  local kinds = redis.pcall('HKEYS', pause)
  for _, kind in ipairs(kinds.err and {} or kinds) do
    local key = parked_key(pause, kind)
    local score = redis.call('ZSCORE', key, id)
    if score then
      local rank = score % 4
      return { key = key, kind = kind, rank = rank, visible_at = (score - rank) / 4 }
    end
  end
end
