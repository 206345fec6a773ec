-- Tells agents the successions of orchestrators' keys, for as long as the keys themselves.
-- ARGV of this one: prefix, '', for how many seconds, then for each key: its id, and the successions that lead to it.
for i = 4, #ARGV, 2 do
  redis.call('HSET', prefix .. 'successions', ARGV[i], ARGV[i + 1])
end
redis.call('EXPIRE', prefix .. 'successions', ARGV[3])
return ''
