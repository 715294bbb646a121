-- Generic cell rate algorithm over several limits at once, on the server's own clock.
-- KEYS: one per limit, all in one hash slot. ARGV: interval in microseconds and burst, per limit.
-- A key holds the microsecond at which its limit will be whole again.
-- Admits and counts in all of them, or counts in none.
-- Returns the microseconds to wait (0: admitted), then for each limit how many more it would grant
-- and the microseconds until it is whole.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local wait, whole = 0, {}
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local at = math.max(tonumber(redis.call('GET', key) or 0), now)
  -- Further ahead than an empty limit: a replica with another clock took over.
  at = math.min(at, now + interval * burst)
  wait = math.max(wait, at - interval * (burst - 1) - now)
  whole[i] = at
end
local answer = {wait}
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  if wait <= 0 then
    whole[i] = whole[i] + interval
  end
  -- Also on a refusal: what was clamped has to stay so, or it would be clamped anew for ever.
  if whole[i] > now then
    local left = math.ceil((whole[i] - now) / 1000)
    redis.call('SET', key, string.format('%.0f', whole[i]), 'PX', string.format('%.0f', left))
  end
  answer[2 * i] = math.floor((now + interval * burst - whole[i]) / interval)
  answer[2 * i + 1] = whole[i] - now
end
return answer
