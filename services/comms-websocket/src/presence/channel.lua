-- What is known of one channel over all instances: one hash, changed in one step.
-- Fields: v version; n listeners, i:<instance> listeners there; m people, u:<user> their sockets,
-- w:<instance>:<user> their sockets there, d:<user> what is told of them; c the kept event, cv its
-- version, cx when it ends (milliseconds). Instances are UUIDs, so that their length is known.
local key, op = KEYS[1], ARGV[1]

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

-- A channel that nobody is in is forgotten, at the latest when what it keeps ends.
local function tidy()
  if num('n') > 0 then
    redis.call('PERSIST', key)
  elseif kept() then
    redis.call('PEXPIRE', key, math.max(1, num('cx') - now()))
  else
    redis.call('DEL', key)
  end
end

if op == 'say' then
  -- instance, listeners there, user or '', their sockets there, what is told of them, most people
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
  local answer = { change, num('v'), before, after, kept() or '' }
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
  local all = redis.call('HGETALL', key)
  for at = 1, #all, 2 do
    if string.sub(all[at], 1, #mark) == mark then
      local user = string.sub(all[at], #mark + 1)
      local _, left = replace(all[at], 'u:' .. user, 0)
      if left == 0 then
        redis.call('HDEL', key, 'd:' .. user)
        table.insert(gone, user)
        table.insert(gone, edge(-1))
      end
    end
  end
  local answer = { before, after }
  for _, value in ipairs(gone) do table.insert(answer, value) end
  tidy()
  return answer
end

if op == 'keep' then
  -- the event, for how long (milliseconds)
  local version = redis.call('HINCRBY', key, 'v', 1)
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

return redis.error_reply('unknown operation')
