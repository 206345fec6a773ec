-- Keeps what a consumer holds young, so that nobody takes it for abandoned. ARGV: consumer, ids.
for i = 4, #ARGV do
  if holding(ARGV[i]) == ARGV[3] then
    redis.call('XCLAIM', key, 'accord', ARGV[3], 0, ARGV[i], 'JUSTID')
  end
end
return ''
