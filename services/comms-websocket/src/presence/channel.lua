-- What is known of one channel over all instances: one hash, changed in one step.
-- Fields: v version; n listeners, i:<instance> listeners there; m people, u:<user> their sockets,
-- w:<instance>:<user> their sockets there, d:<user> what is told of them; c the kept event, cv its
-- version, cx when it ends (milliseconds). Instances are UUIDs, so that their length is known.
-- Of webhooks, where the channel has any: o whether they know it as occupied (0 not yet, 1 told),
-- oz since when it is vacant; t:<user> and z:<user> the same of somebody; p edges that are being told
-- (JSON), pi their id, pe until when by whoever took them; k when a missing event was told of.
local key, op = KEYS[1], ARGV[1]
-- So long webhooks are not told that somebody left: they may be back (milliseconds).
local HOLD = 3000
-- So long they are not told again that an event is missing.
local MISSED = 10000
-- So long a vacant channel is kept for webhooks that cannot be told.
local UNTOLD = 86400000

local function num(field) return tonumber(redis.call('HGET', key, field) or '0') end

local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function put(field, value)
  if value == 0 then redis.call('HDEL', key, field) else redis.call('HSET', key, field, value) end
end

-- Replaces a part of a sum: the sum before and after.
local function replace(part, sum, value)
  local before = num(sum)
  local after = before - num(part) + value
  put(part, value)
  put(sum, after)
  return before, after
end

-- The version after somebody came (1) or left (-1).
local function edge(by)
  put('m', num('m') + by)
  return redis.call('HINCRBY', key, 'v', 1)
end

local function kept()
  if num('cx') > now() then return redis.call('HGET', key, 'c') end
  redis.call('HDEL', key, 'c', 'cv', 'cx')
  return false
end

local function has(field) return redis.call('HEXISTS', key, field) == 1 end

-- Whether webhooks know of somebody, or are to.
local function anybody()
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 2) == 't:' then return true end
  end
  return false
end

-- A channel that nobody is in is forgotten, at the latest when what it keeps ends, and not before
-- webhooks know that nobody is in it.
local function tidy()
  if num('n') > 0 then
    redis.call('PERSIST', key)
    return
  end
  local rest = 0
  if kept() then rest = math.max(1, num('cx') - now()) end
  if has('o') or has('p') or anybody() then rest = math.max(rest, UNTOLD) end
  if rest > 0 then redis.call('PEXPIRE', key, rest) else redis.call('DEL', key) end
end

-- The sooner of two moments, where -1 is never.
local function sooner(one, other)
  if one < 0 then return other end
  if other < 0 then return one end
  return math.min(one, other)
end

-- Notes for webhooks that the channel has listeners, or has none from now on; when that is to be told.
local function note_channel(listeners, hooked)
  if listeners > 0 then
    redis.call('HDEL', key, 'oz')
    if hooked and redis.call('HSETNX', key, 'o', 0) == 1 then return now() end
  elseif has('o') and redis.call('HSETNX', key, 'oz', now()) == 1 then
    return now() + HOLD
  end
  return -1
end

-- The same of somebody who came (1) or left (-1).
local function note_person(user, change, hooked)
  if change == 1 then
    redis.call('HDEL', key, 'z:' .. user)
    if hooked and redis.call('HSETNX', key, 't:' .. user, 0) == 1 then return now() end
  elseif change == -1 and has('t:' .. user) then
    redis.call('HSET', key, 'z:' .. user, now())
    return now() + HOLD
  end
  return -1
end

-- Edges that webhooks are to be told of at a moment, in their order, and when the next one is. What
-- came: 'o', '+<user>'; what went, long enough ago: '-<user>', 'v'.
local function owed(at)
  local all, fields, came, went, later = redis.call('HGETALL', key), {}, {}, {}, -1
  -- Whether somebody is left of whom it is to be told first that they went.
  local staying = false
  local function gone(since, edge)
    local due = tonumber(since or '0') + HOLD
    if due <= at then table.insert(went, edge) else later = sooner(later, due) end
    return due <= at
  end
  for i = 1, #all, 2 do fields[all[i]] = all[i + 1] end
  if fields['o'] == '0' then table.insert(came, 'o') end
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 2) == 't:' then
      local user = string.sub(all[i], 3)
      if all[i + 1] == '0' then
        table.insert(came, '+' .. user)
        staying = true
      elseif fields['u:' .. user] or not gone(fields['z:' .. user], '-' .. user) then
        staying = true
      end
    end
  end
  if fields['o'] == '1' and not fields['n'] and not staying then gone(fields['oz'], 'v') end
  for _, edge in ipairs(went) do table.insert(came, edge) end
  return came, later
end

-- Webhooks know of an edge; what has changed since is owed to them.
local function known(edge)
  local kind, user = string.sub(edge, 1, 1), string.sub(edge, 2)
  if kind == 'o' then
    redis.call('HSET', key, 'o', 1)
  elseif kind == 'v' then
    redis.call('HDEL', key, 'o', 'oz')
    if num('n') > 0 then redis.call('HSET', key, 'o', 0) end
  elseif kind == '+' then
    redis.call('HSET', key, 't:' .. user, 1)
  else
    redis.call('HDEL', key, 't:' .. user, 'z:' .. user)
    if has('u:' .. user) then redis.call('HSET', key, 't:' .. user, 0) end
  end
end

if op == 'say' then
  -- instance, listeners there, user or '', their sockets there, what is told of them, most people,
  -- 'roster' or '', 'edges' where webhooks want them or '', 'miss' where they want that or ''
  local instance, user = ARGV[2], ARGV[4]
  local before, after = replace('i:' .. instance, 'n', tonumber(ARGV[3]))
  local change = 0
  if user ~= '' then
    local sockets, known = tonumber(ARGV[5]), num('u:' .. user)
    if known == 0 and sockets > 0 and num('m') >= tonumber(ARGV[7]) then
      change = 2
    else
      local _, left = replace('w:' .. instance .. ':' .. user, 'u:' .. user, sockets)
      if left > 0 then redis.call('HSET', key, 'd:' .. user, ARGV[6]) end
      if known == 0 and left > 0 then
        change = 1
        edge(1)
      elseif known > 0 and left == 0 then
        change = -1
        redis.call('HDEL', key, 'd:' .. user)
        edge(-1)
      end
    end
  end
  local hooked = ARGV[9] == 'edges'
  local due = note_channel(after, hooked)
  if user ~= '' then due = sooner(due, note_person(user, change, hooked)) end
  local frame, missed = kept(), 0
  if not frame and ARGV[10] == 'miss' and num('k') + MISSED <= now() then
    redis.call('HSET', key, 'k', now())
    missed = 1
  end
  local answer = { change, num('v'), before, after, frame or '', due, missed }
  if ARGV[8] == 'roster' then
    local all = redis.call('HGETALL', key)
    for at = 1, #all, 2 do
      if string.sub(all[at], 1, 2) == 'd:' then
        table.insert(answer, string.sub(all[at], 3))
        table.insert(answer, all[at + 1])
      end
    end
  end
  tidy()
  return answer
end

if op == 'drop' then
  -- instance: takes back all that it said
  local instance, gone = ARGV[2], {}
  local mark = 'w:' .. instance .. ':'
  local before, after = replace('i:' .. instance, 'n', 0)
  local due = note_channel(after, false)
  local all = redis.call('HGETALL', key)
  for at = 1, #all, 2 do
    if string.sub(all[at], 1, #mark) == mark then
      local user = string.sub(all[at], #mark + 1)
      local _, left = replace(all[at], 'u:' .. user, 0)
      if left == 0 then
        redis.call('HDEL', key, 'd:' .. user)
        table.insert(gone, user)
        table.insert(gone, edge(-1))
        due = sooner(due, note_person(user, -1, false))
      end
    end
  end
  local answer = { before, after, due }
  for _, value in ipairs(gone) do table.insert(answer, value) end
  tidy()
  return answer
end

if op == 'keep' then
  -- the event, for how long (milliseconds)
  local version = redis.call('HINCRBY', key, 'v', 1)
  redis.call('HDEL', key, 'k')
  redis.call('HSET', key, 'c', ARGV[2], 'cv', version, 'cx', now() + tonumber(ARGV[3]))
  tidy()
  return version
end

if op == 'read' then
  local answer = { num('n'), num('m'), kept() or '' }
  if ARGV[2] == 'people' then
    local all = redis.call('HKEYS', key)
    for _, field in ipairs(all) do
      if string.sub(field, 1, 2) == 'u:' then table.insert(answer, string.sub(field, 3)) end
    end
  end
  return answer
end

if op == 'members' then
  -- who is in it: user, their sockets, what is told of them
  local answer = {}
  local all = redis.call('HGETALL', key)
  local told = {}
  for at = 1, #all, 2 do
    if string.sub(all[at], 1, 2) == 'd:' then told[string.sub(all[at], 3)] = all[at + 1] end
  end
  for at = 1, #all, 2 do
    if string.sub(all[at], 1, 2) == 'u:' then
      local user = string.sub(all[at], 3)
      table.insert(answer, user)
      table.insert(answer, tonumber(all[at + 1]))
      table.insert(answer, told[user] or 'null')
    end
  end
  return answer
end

if op == 'settle' then
  -- id, for how long they are taken (milliseconds), most edges: takes what is to be told now, or what
  -- somebody else took and did not tell
  if has('p') then
    if num('pe') > now() then return {} end
  else
    local edges = owed(now())
    if #edges == 0 then return {} end
    while #edges > tonumber(ARGV[4]) do table.remove(edges) end
    redis.call('HSET', key, 'p', cjson.encode(edges), 'pi', ARGV[2])
  end
  redis.call('HSET', key, 'pe', now() + tonumber(ARGV[3]))
  local answer = cjson.decode(redis.call('HGET', key, 'p'))
  table.insert(answer, 1, redis.call('HGET', key, 'pi'))
  return answer
end

if op == 'told' then
  -- id of what was taken
  if redis.call('HGET', key, 'pi') == ARGV[2] then
    for _, edge in ipairs(cjson.decode(redis.call('HGET', key, 'p'))) do known(edge) end
    redis.call('HDEL', key, 'p', 'pi', 'pe')
    tidy()
  end
  return 0
end

if op == 'due' then
  -- when there is something to settle, or -1
  if has('p') then return num('pe') end
  local edges, later = owed(now())
  if #edges > 0 then return now() end
  return later
end

if op == 'unhook' then
  -- nobody is to be told any more
  for _, field in ipairs(redis.call('HKEYS', key)) do
    local start = string.sub(field, 1, 2)
    if start == 't:' or start == 'z:' then redis.call('HDEL', key, field) end
  end
  redis.call('HDEL', key, 'o', 'oz', 'p', 'pi', 'pe', 'k')
  tidy()
  return 0
end

return redis.error_reply('unknown operation')
