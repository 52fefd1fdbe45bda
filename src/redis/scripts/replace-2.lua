--[[
  Replaces a whole value, fenced by a token: a writer whose token is older than the stored one, or who took too long since it
  drew the token, changes nothing.

  KEYS[1] value    KEYS[2] sidecar
  ARGV[1] token    ARGV[2] Redis time (ms) when the token was drawn    ARGV[3] most ms a write may take after that
  ARGV[4] ttl of the value, ms    ARGV[5] ttl of the sidecar, ms
  ARGV[6] type: string | hash | list | zset    ARGV[7...] members (none: the value is empty, which is remembered)

  Returns 1 when written, 0 when a newer token was there, -1 when it came too late.
]]
local CHUNK = 1000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now - tonumber(ARGV[2]) > tonumber(ARGV[3]) then
  return -1
end
local stored = redis.call('GET', KEYS[2])
if stored and tonumber(string.match(stored, '^%d+')) >= tonumber(ARGV[1]) then
  return 0
end

redis.call('DEL', KEYS[1])
local empty = #ARGV < 7
if not empty then
  local commands = { string = 'SET', hash = 'HSET', list = 'RPUSH', zset = 'ZADD' }
  local command = commands[ARGV[6]]
  for first = 7, #ARGV, CHUNK do
    redis.call(command, KEYS[1], unpack(ARGV, first, math.min(first + CHUNK - 1, #ARGV)))
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
-- "Empty" holds as long as a value would have lived.
local emptyUntil = empty and (now + tonumber(ARGV[4])) or 0
local lifetime = math.max(tonumber(ARGV[5]), empty and tonumber(ARGV[4]) or 0)
redis.call('SET', KEYS[2], ARGV[1] .. ':' .. emptyUntil, 'PX', lifetime)
return 1
