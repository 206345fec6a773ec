-- Gives the successions that orchestrators tell of their keys. ARGV of this one: prefix, ''.
return redis.call('HVALS', prefix .. 'successions')
