-- Reads keys of one job that anybody may have written: what cannot be used is set aside, and told of as a fault.

-- attempts spent, crashes and lapses, as the last failure tells them, and the fault if it cannot
local function budget(id)
  local last = redis.pcall('LINDEX', KEY.failures .. id, -1)
  if not last then
    return '0', '0', '0'
  end
  if is_error(last) then
    set_aside('failures', id)
    last = ''
  end
  local spent, crashes, lapses, cause = string.match(last,
    '^{"spent":(%d+),"crashes":(%d+),"lapses":(%d+),"cause":"(%a+)"')
  local fault = not spent and 'failures' or cause == 'corruption' and 'starts' or nil
  return spent or '0', crashes or '0', lapses or '0', fault
end

-- What lies at a key of one job, or false.  If it cannot be used it is set aside, and the fault comes with it.
local function read(part, id, pattern)
  local value = redis.pcall('GET', KEY[part] .. id)
  if not value or (not is_error(value) and string.find(value, pattern)) then
    return value
  end
  set_aside(part, id)
  return false, part
end

-- Which of a job's keys an earlier claim has set aside, or nil.
local function quarantined(id)
  local parts = redis.pcall('HKEYS', KEY.corrupt .. id)
  return parts[1]
end

-- The starts that a job has had; at most 15 digits, for which Lua's numbers are exact.
local COUNT = '^%d' .. string.rep('%d?', 14) .. '$'
