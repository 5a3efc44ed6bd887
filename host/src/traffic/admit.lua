-- May one call go? Buckets (GCRA) and the day's quotas over all hosts, in one round trip. Nothing is taken unless
-- everything agrees.
--
-- KEYS: one for each bucket, then the hash of the account's day.
-- ARGV: the number of buckets; for each, microseconds between two calls and the burst; the day's bounds (-1: none) of
-- calls, rows, database_us and embedding_tokens; seconds the hash is kept.
-- Answer: {0}; {1, bucket, microseconds to wait}; {2, number of the bound}.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local buckets = tonumber(ARGV[1])

local arrivals = {}
for i = 1, buckets do
  local interval, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local arrival = tonumber(redis.call('GET', KEYS[i]) or now)
  -- A clock that was turned back leaves times no bucket reaches; they count as an empty one.
  arrival = math.min(math.max(arrival, now), now + interval * burst)
  local earliest = arrival - interval * (burst - 1)
  if now < earliest then
    return {1, i, earliest - now}
  end
  arrivals[i] = arrival + interval
end

local day, at = KEYS[buckets + 1], 2 * buckets + 2
local used = redis.call('HMGET', day, 'calls', 'rows', 'database_us', 'embedding_tokens')
for i = 1, 4 do
  local bound = tonumber(ARGV[at + i - 1])
  if bound >= 0 and tonumber(used[i] or 0) >= bound then
    return {2, i}
  end
end

for i = 1, buckets do
  -- %.0f: Lua's own text of a number keeps 14 digits, a time in microseconds has 16. Forgotten once it is full again.
  redis.call('SET', KEYS[i], string.format('%.0f', arrivals[i]), 'PX', math.ceil((arrivals[i] - now) / 1000))
end
redis.call('HINCRBY', day, 'calls', 1)
redis.call('EXPIRE', day, ARGV[at + 4])
return {0}
