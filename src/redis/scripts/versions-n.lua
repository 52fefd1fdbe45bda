--[[
  Which values stand in projected keys, without their values: one command for any number of them.

  KEYS: value and sidecar of each, in turn

  Returns for each value whether it is there (1 or 0) and its sidecar (false: none), in turn.
]]
local found = {}
for index = 1, #KEYS, 2 do
  found[index] = redis.call('EXISTS', KEYS[index])
  found[index + 1] = redis.call('GET', KEYS[index + 1])
end
return found
