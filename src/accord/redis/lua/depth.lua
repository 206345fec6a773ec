-- Gives how many messages of a queue wait.
local waiting = redis.call('XLEN', key)
local pending = redis.pcall('XPENDING', key, 'accord')
if pending.err then
  return waiting
end
waiting = waiting - pending[1]
for _, consumer in ipairs(pending[4] or {}) do
  if consumer[1] == 'returned' then
    waiting = waiting + tonumber(consumer[2])
  end
end
return waiting
