-- One request against one bucket, or against a scope's and then another. Each bucket is the moment, in microseconds of the
-- store's clock, at which it is full again; see gcra.rs, which decides the same way.
-- KEYS: the buckets in their order. ARGV, three for each: the time in which one request comes back, in microseconds; the
-- burst; 1 where the limit is enforced.
-- Answers three numbers for each bucket that was asked: 1 when it admits, how many more it would, and the microseconds
-- until it would admit one more than that.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answer = {}
for place, key in ipairs(KEYS) do
  local interval = tonumber(ARGV[place * 3 - 2])
  local window = interval * tonumber(ARGV[place * 3 - 1])
  local tat = tonumber(redis.call('GET', key) or 0)
  if tat > now + window then
    -- A bucket that was filled under a larger limit, or before the clock was set back, is drained and no more. That is
    -- written down, or it would be drained again with every request.
    tat = now + window
    redis.call('SET', key, string.format('%.0f', tat), 'PX', math.ceil(window / 1000))
  end
  local start = math.max(tat, now)
  local room = window - (start - now)
  if room < interval then
    answer[#answer + 1] = 0
    answer[#answer + 1] = 0
    answer[#answer + 1] = interval - room
    if ARGV[place * 3] == '1' then break end
  else
    local left = room - interval
    local full = start + interval
    redis.call('SET', key, string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
    answer[#answer + 1] = 1
    answer[#answer + 1] = math.floor(left / interval)
    answer[#answer + 1] = interval - left % interval
  end
end
return answer
