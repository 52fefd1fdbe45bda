--[[
  Takes weight from a provider's budget of a sliding minute, shared by every process. What was taken is kept by the second; a second
  that ended a minute ago counts no more.

  KEYS[1] hash: second (Unix, Redis time) -> weight taken in it; field `until` -> nothing may be taken before it (ms)
  ARGV[1] weight (0: only to look or to block)    ARGV[2] budget of a minute    ARGV[3] part of it that this taker must leave
  ARGV[4] 1: take it whatever the budget says, for what has been spent already    ARGV[5] ms to block everybody from now (0: not)

  Returns ms to wait before asking again; 0 when the weight was taken.
]]
local time = redis.call('TIME')
local second = tonumber(time[1])
local now = second * 1000 + math.floor(time[2] / 1000)
local weight, budget = tonumber(ARGV[1]), tonumber(ARGV[2]) - tonumber(ARGV[3])

local block = tonumber(ARGV[5])
local blockedUntil = tonumber(redis.call('HGET', KEYS[1], 'until') or '0')
if block > 0 and now + block > blockedUntil then
  blockedUntil = now + block
  redis.call('HSET', KEYS[1], 'until', blockedUntil)
end

local taken, seconds = 0, {}
local rows = redis.call('HGETALL', KEYS[1])
for i = 1, #rows, 2 do
  local at = tonumber(rows[i])
  if at then
    if at <= second - 61 then
      redis.call('HDEL', KEYS[1], rows[i])
    else
      taken = taken + tonumber(rows[i + 1])
      seconds[#seconds + 1] = { at, tonumber(rows[i + 1]) }
    end
  end
end
redis.call('PEXPIRE', KEYS[1], math.max(62000, blockedUntil - now + 1000))

if ARGV[4] ~= '1' then
  if blockedUntil > now then
    return blockedUntil - now
  end
  -- An empty budget serves even a request that is larger than it: it could never be served otherwise.
  if taken > 0 and taken + weight > budget then
    table.sort(seconds, function(a, b) return a[1] < b[1] end)
    for _, row in ipairs(seconds) do
      taken = taken - row[2]
      if taken <= 0 or taken + weight <= budget then
        return math.max(1, (row[1] + 61) * 1000 - now)
      end
    end
  end
end
if weight > 0 then
  redis.call('HINCRBY', KEYS[1], second, weight)
end
return 0
