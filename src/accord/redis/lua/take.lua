-- Takes messages of a queue: first what was given back, in order, then what is new.
-- ARGV: consumer, limit, and how often a message is delivered at most.
-- Gives {id, attempts, fields} for each message; and how many became dead letters.
local consumer, limit, most = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local enough_bytes = 8388608
local taken, bytes, dead = {}, 0, 0

local function take(id, attempts, fields)
  for i = 2, #fields, 2 do
    bytes = bytes + #fields[i]
  end
  taken[#taken + 1] = {id, attempts, fields}
end

local function before(fields)
  return tonumber(value_of(fields, 'a') or 0)
end

local back = redis.pcall('XPENDING', key, 'accord', '-', '+', limit, 'returned')
if back.err then
  -- There is no such group: nothing was published so far, or the server has lost it.
  redis.call('XGROUP', 'CREATE', key, 'accord', '0', 'MKSTREAM')
  back = {}
end
for _, pending in ipairs(back) do
  local id, attempts = pending[1], pending[4]
  local claimed = redis.call('XCLAIM', key, 'accord', consumer, 0, id)[1]
  if not claimed then
    remove(id)
  elseif before(claimed[2]) + attempts >= most then
    bury(id, claimed[2], before(claimed[2]) + attempts)
    dead = dead + 1
  else
    take(id, before(claimed[2]) + attempts + 1, claimed[2])
  end
  if bytes >= enough_bytes then
    break
  end
end

local chunk = 4
while #taken < limit and bytes < enough_bytes do
  local count = math.min(chunk, limit - #taken)
  local read = redis.call('XREADGROUP', 'GROUP', 'accord', consumer, 'COUNT', count, 'STREAMS', key, '>')
  if not read then
    break
  end
  for _, entry in ipairs(read[1][2]) do
    take(entry[1], before(entry[2]) + 1, entry[2])
  end
  chunk = chunk * 2
end
return {taken, dead}
