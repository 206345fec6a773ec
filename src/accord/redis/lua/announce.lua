-- Tells agents the keys of orchestrators, for a while: each is believed by its thumbprint, by the successions that lead to
-- it, or not at all.
-- ARGV of this one: prefix, '', for how many seconds, then for each key: its id, the key as a JWK, and the successions.
for i = 4, #ARGV, 3 do
  redis.call('HSET', prefix .. 'orchestrators', ARGV[i], ARGV[i + 1])
  redis.call('HSET', prefix .. 'successions', ARGV[i], ARGV[i + 2])
end
redis.call('EXPIRE', prefix .. 'orchestrators', ARGV[3])
redis.call('EXPIRE', prefix .. 'successions', ARGV[3])
return ''
