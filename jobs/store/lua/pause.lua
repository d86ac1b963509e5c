--[[ pause: ready -> ready; nothing of a queue, or of one kind in it, is claimed until its resume

KEYS[1] pause       hash    kind, or "" for the whole queue -> its pause, JSON
KEYS[2] wake        list    the wake token
ARGV[1] kind        str     "" for the whole queue
ARGV[2] until       str     "" until its resume, "+ms" from now, or ms since the epoch
ARGV[3] told        str     the rest of the pause's JSON, from its third member on: `"by":...}`

Returns     the pause as it is written, or nil if `until` is not in the future: nothing is written then.
Clock       the server's.
Cost        O(1).
Reply lost  repeat it: the pause is the same, but for the time at which it began.
]]
local now = now_ms()
local ends = ARGV[2]
if ends == '' then
  ends = 'null'
else
  local ends_ms = string.sub(ends, 1, 1) == '+' and now + tonumber(string.sub(ends, 2)) or tonumber(ends)
  if ends_ms <= now then
    return false
  end
  ends = text(ends_ms)
end
local pause = string.format('{"at_ms":%s,"until_ms":%s,', text(now), ends) .. ARGV[3]
redis.call('HSET', KEYS[1], ARGV[1], pause)
push_token(KEYS[2]) -- one worker learns when it is over, and will be back then
return pause
