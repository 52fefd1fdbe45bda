--[[
  Sets one price, only when it is not older than the one that stands there.

  KEYS[1] string
  ARGV[1] ttl, ms    ARGV[2] time of the price, ms    ARGV[3] value    ARGV[4] name of the time field in the value

  Returns 1 when written, 0 when a newer price was there.
]]
local old = redis.call('GET', KEYS[1])
local oldTime = old and tonumber(string.match(old, '"' .. ARGV[4] .. '":(%d+)')) or -1
if tonumber(ARGV[2]) < oldTime then
  return 0
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[1])
return 1
