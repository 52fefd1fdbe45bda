--[[
  Appends a trade event to the stream once: the guard remembers (id, revision) and is set by the same script.

  KEYS[1] guard    KEYS[2] stream
  ARGV[1] revision    ARGV[2] ttl of the guard, ms    ARGV[3] length the stream is cut to    ARGV[4...] field, value, ...

  Returns 1 when appended, 0 when this revision (or a later one) had been appended before.
]]
local seen = redis.call('GET', KEYS[1])
if seen and tonumber(string.match(seen, '%d+$') or '-1') >= tonumber(ARGV[1]) then
  return 0
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 4))
redis.call('SET', KEYS[1], 'seen:' .. ARGV[1], 'PX', ARGV[2])
return 1
