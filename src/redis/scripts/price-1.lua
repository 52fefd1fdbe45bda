--[[
  Writes price fields of a hash, each only when it is not older than the one that stands there; prices are fenced by their own time.

  KEYS[1] hash
  ARGV[1] ttl of the hash, ms    ARGV[2...] triples: field, time (ms), value (JSON that carries "timestamp")

  Returns how many fields were written.
]]
local written = 0
for i = 2, #ARGV, 3 do
  local old = redis.call('HGET', KEYS[1], ARGV[i])
  local oldTime = old and tonumber(string.match(old, '"timestamp":(%d+)')) or -1
  if tonumber(ARGV[i + 1]) >= oldTime then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2])
    written = written + 1
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return written
