-- Gives the keys of orchestrators, each as a JWK, and what each of them tells of successions; nothing of these where our
-- user's rules are from before there were any. ARGV of this one: prefix, ''.
local successions = redis.pcall('HVALS', prefix .. 'successions')
return {redis.call('HVALS', prefix .. 'orchestrators'), successions.err and {} or successions}
