-- The processes that share: PREFIX:nodes has by each one's id when it was last seen, in microseconds since 1970, and what
-- it told of itself. ARGV: the prefix, how long one is listed after it was last seen, and to tell of one its id and what
-- it tells; empty, it has left. Without an id, gives of all one after the other the id, how long ago it was seen, and what
-- it told.
local nodes, time = ARGV[1] .. ":nodes", redis.call("TIME")
local now = time[1] * 1000000 + time[2]
if ARGV[3] then
  if ARGV[4] == "" then
    redis.call("HDEL", nodes, ARGV[3])
  else
    redis.call("HSET", nodes, ARGV[3], string.format("%.0f:", now) .. ARGV[4])
  end
  return 0
end
local found, all = {}, redis.call("HGETALL", nodes)
for number = 1, #all, 2 do
  local seen, told = all[number + 1]:match("^(%d+):(.*)$")
  if now - tonumber(seen) > tonumber(ARGV[2]) then
    redis.call("HDEL", nodes, all[number])
  else
    found[#found + 1] = all[number]
    found[#found + 1] = string.format("%.0f", math.max(0, now - tonumber(seen)))
    found[#found + 1] = told
  end
end
return found
