-- Generic cell rate algorithm over several limits at once, on the server's own clock.
-- KEYS: one per limit, all in one hash slot. ARGV: interval in ms and burst, per limit.
-- Admits and counts in all of them, or counts in none and returns the ms to wait.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local wait, arrival = 0, {}
for i, key in ipairs(KEYS) do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local due = math.max(tonumber(redis.call('GET', key) or 0), now)
  wait = math.max(wait, due - interval * (burst - 1) - now)
  arrival[i] = due + interval
end
if wait > 0 then
  return wait
end
for i, key in ipairs(KEYS) do
  local text = string.format('%.0f', arrival[i])
  redis.call('SET', key, text, 'PX', string.format('%.0f', arrival[i] - now))
end
return 0
