-- Whether somebody is online: one hash with a field for each instance that a signed-in socket of theirs
-- is open on. Arguments: the instance, and '1' where there is one or '0'. Answers 1 where the somebody
-- came or left by it, else 0.
local before = redis.call('HLEN', KEYS[1])
if ARGV[2] == '1' then
  redis.call('HSET', KEYS[1], ARGV[1], 1)
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
local after = redis.call('HLEN', KEYS[1])
if (before == 0) ~= (after == 0) then return 1 end
return 0
