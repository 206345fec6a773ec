-- Hands over all parcels, or none where a queue would hold more than its bound.
-- ARGV: prefix, bound, then for each parcel: subject, statement, payload, and who waits for its acknowledgement, or ''.
-- Gives the subject of a queue that is full, else ''.
local prefix, bound = ARGV[1], tonumber(ARGV[2])

local function is_notice(subject)
  return string.sub(subject, 1, 7) == 'notice/'
end

local held = {}
for i = 3, #ARGV, 4 do
  local subject = ARGV[i]
  if not is_notice(subject) then
    held[subject] = (held[subject] or redis.call('XLEN', prefix .. subject)) + 1
    if held[subject] > bound then
      return subject
    end
  end
end

for i = 3, #ARGV, 4 do
  local subject, statement, payload, waiting = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  if is_notice(subject) then
    redis.call('PUBLISH', prefix .. subject, struct.pack('>I4', #statement) .. statement .. payload)
  elseif waiting == '' then
    redis.call('XADD', prefix .. subject, '*', 's', statement, 'p', payload)
  else
    redis.call('XADD', prefix .. subject, '*', 's', statement, 'p', payload, 'r', waiting)
  end
end

for subject in pairs(held) do
  redis.call('PUBLISH', prefix .. 'wake/' .. subject, '')
end
return ''
