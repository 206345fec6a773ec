-- Removes messages that are dealt with, and tells who waits for that.
-- ARGV: for each message: id, and who waits, or ''.
for i = 3, #ARGV, 2 do
  local id, waiting = ARGV[i], ARGV[i + 1]
  if redis.call('XACK', key, 'accord', id) == 1 then
    redis.call('XDEL', key, id)
    if waiting ~= '' then
      local bus, number = string.match(waiting, '^(.*)/(%d+)$')
      redis.call('PUBLISH', prefix .. 'done/' .. bus, number)
    end
  end
end
return ''
