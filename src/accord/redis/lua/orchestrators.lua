-- Gives the keys of orchestrators, each as a JWK. ARGV of this one: prefix, ''.
return redis.call('HVALS', prefix .. 'orchestrators')
