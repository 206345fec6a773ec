-- Puts messages that a consumer holds to the end of their queue.
-- ARGV: consumer, how often a message is delivered at most, then for each message: id, and how often it was delivered.
-- Gives how many became dead letters.
local consumer, most, dead = ARGV[3], tonumber(ARGV[4]), 0

local function again(id, attempts)
  local entry = redis.call('XRANGE', key, id, id)[1]
  if not entry then
    remove(id)
  elseif attempts >= most then
    bury(id, entry[2], attempts)
    dead = dead + 1
  else
    local fields = {'a', attempts}
    for i = 1, #entry[2], 2 do
      if entry[2][i] ~= 'a' then
        fields[#fields + 1] = entry[2][i]
        fields[#fields + 1] = entry[2][i + 1]
      end
    end
    remove(id)
    redis.call('XADD', key, '*', unpack(fields))
  end
end

for i = 5, #ARGV, 2 do
  if holding(ARGV[i]) == consumer then
    again(ARGV[i], tonumber(ARGV[i + 1]))
  end
end
wake()
return dead
