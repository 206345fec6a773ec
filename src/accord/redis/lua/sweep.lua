-- Gives back what nobody has kept young, and forgets consumers that have long been silent.
-- ARGV: ms after which a message is abandoned, ms after which a consumer that holds nothing is forgotten.
-- Gives how many messages were given back.
local abandoned, silent = ARGV[3], tonumber(ARGV[4])
local cursor, moved = '0-0', 0
repeat
  local found = redis.pcall('XAUTOCLAIM', key, 'accord', 'returned', abandoned, cursor, 'COUNT', 1000, 'JUSTID')
  if found.err then
    return 0
  end
  cursor = found[1]
  moved = moved + #found[2]
until cursor == '0-0'
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', key, 'accord')) do
  if value_of(consumer, 'pending') == 0 and value_of(consumer, 'idle') > silent then
    redis.call('XGROUP', 'DELCONSUMER', key, 'accord', value_of(consumer, 'name'))
  end
end
if moved > 0 then
  wake()
end
return moved
