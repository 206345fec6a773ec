-- Tells agents the keys of orchestrators, for a while: each is believed by its thumbprint, or not at all.
-- ARGV of this one: prefix, '', for how many seconds, then for each key: its id, and the key as a JWK.
for i = 4, #ARGV, 2 do
  redis.call('HSET', prefix .. 'orchestrators', ARGV[i], ARGV[i + 1])
end
redis.call('EXPIRE', prefix .. 'orchestrators', ARGV[3])
return ''
