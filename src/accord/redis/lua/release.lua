-- Gives back what a consumer holds, so that it comes first and in order.
-- ARGV: consumer, how often a message is delivered at most, and the ids of messages that were delivered to nobody;
-- without ids all that it holds, and the consumer leaves. Gives how many became dead letters.
local consumer, most, dead = ARGV[3], tonumber(ARGV[4]), 0

local function give_back(id, attempts)
  redis.call('XCLAIM', key, 'accord', 'returned', 0, id, 'RETRYCOUNT', attempts, 'JUSTID')
end

local function all()
  local held = redis.pcall('XPENDING', key, 'accord', '-', '+', 1000000, consumer)
  if held.err then
    return
  end
  for _, pending in ipairs(held) do
    local entry = redis.call('XRANGE', key, pending[1], pending[1])[1]
    local attempts = entry and pending[4] + tonumber(value_of(entry[2], 'a') or 0) or most
    if attempts < most then
      give_back(pending[1], pending[4])
    elseif entry then
      bury(pending[1], entry[2], attempts)
      dead = dead + 1
    else
      remove(pending[1])
    end
  end
  redis.call('XGROUP', 'DELCONSUMER', key, 'accord', consumer)
  if redis.call('XLEN', key) == 0 then
    redis.call('UNLINK', key)
  end
end

for i = 5, #ARGV do
  local holder, attempts = holding(ARGV[i])
  if holder == consumer then
    give_back(ARGV[i], attempts - 1)
  end
end
if #ARGV == 4 then
  all()
end
wake()
return dead
