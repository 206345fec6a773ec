-- What all scripts begin with. ARGV: prefix, subject, and what each script says.
-- A message is an entry of its queue's stream: s statement, p payload, r who waits for its acknowledgement, and a how
-- often it was delivered before it was put to the end of its queue again.
local prefix, subject = ARGV[1], ARGV[2]
local key = prefix .. subject

local function value_of(fields, name)
  for i = 1, #fields, 2 do
    if fields[i] == name then
      return fields[i + 1]
    end
  end
end

-- Who holds a message and how often it was delivered from where it is, or nothing where nobody holds it.
local function holding(id)
  local pending = redis.pcall('XPENDING', key, 'accord', id, id, 1)
  if not pending.err and pending[1] then
    return pending[1][2], pending[1][4]
  end
end

local function remove(id)
  redis.call('XACK', key, 'accord', id)
  redis.call('XDEL', key, id)
end

local function bury(id, fields, attempts)
  redis.call('XADD', prefix .. 'dead', 'MAXLEN', '~', 10000, '*',
    'q', subject, 'a', attempts, 's', value_of(fields, 's') or '', 'p', value_of(fields, 'p') or '')
  remove(id)
end

local function wake()
  redis.call('PUBLISH', prefix .. 'wake/' .. subject, '')
end

