-- Gives the oldest dead letters. ARGV of this one: prefix, '', how many.
return redis.call('XRANGE', prefix .. 'dead', '-', '+', 'COUNT', ARGV[3])
