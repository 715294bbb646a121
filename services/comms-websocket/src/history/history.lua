-- What is said in one recoverable channel: numbered without holes, and kept for a while.
-- KEYS: 1 hash: e epoch, n last offset; 2 stream of events, ids are offset-0; 3 (append only) a publish
-- that is known by its key. All of one channel, in one slot.
local place, events = KEYS[1], KEYS[2]
local op, drawn, forget = ARGV[1], ARGV[2], tonumber(ARGV[3])

-- Without an epoch nothing is known of what was said before.
local epoch = redis.call('HGET', place, 'e')
if not epoch then
  epoch = drawn
  redis.call('DEL', events)
  redis.call('HSET', place, 'e', epoch, 'n', 0)
end
redis.call('PEXPIRE', place, forget)

if op == 'append' then
  -- event's name, message, socket that does not get it, most events, kept for (ms), key known for (ms; 0: no key)
  local known_for = tonumber(ARGV[9])
  if known_for > 0 then
    local known = redis.call('GET', KEYS[3])
    local mark = epoch .. ':'
    if known and string.sub(known, 1, #mark) == mark then
      return { epoch, tonumber(string.sub(known, #mark + 1)), 0 }
    end
  end
  local offset = redis.call('HINCRBY', place, 'n', 1)
  redis.call('XADD', events, 'MAXLEN', ARGV[7], offset .. '-0', 'n', ARGV[4], 'f', ARGV[5], 'x', ARGV[6])
  redis.call('PEXPIRE', events, ARGV[8])
  if known_for > 0 then
    redis.call('SET', KEYS[3], epoch .. ':' .. offset, 'PX', known_for)
  end
  return { epoch, offset, 1 }
end

if op == 'read' then
  -- epoch ('' asks for the place only), offset, most events
  local top = tonumber(redis.call('HGET', place, 'n') or '0')
  local answer = { epoch, top, 1 }
  if ARGV[4] == '' then return answer end
  local since = tonumber(ARGV[5])
  if ARGV[4] ~= epoch or since > top then
    answer[3] = 0
    return answer
  end
  if since == top then return answer end
  local found = redis.call('XRANGE', events, (since + 1) .. '-0', '+', 'COUNT', ARGV[6])
  if not found[1] or found[1][1] ~= (since + 1) .. '-0' then
    answer[3] = 0
    return answer
  end
  for _, entry in ipairs(found) do
    table.insert(answer, entry[2][2])
    table.insert(answer, entry[2][4])
    table.insert(answer, entry[2][6])
  end
  return answer
end

return redis.error_reply('unknown operation')
