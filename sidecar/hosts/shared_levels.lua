-- How full allowances are that several processes use: each drains by itself, and is given what was used since. ARGV: the
-- prefix, the time or nothing for the server's own, and as MessagePack for each its name, what drains in a second, and
-- what is new. Gives how full each is now. One that has drained is forgotten.
local prefix, now = ARGV[1], tonumber(ARGV[2])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000000 + time[2]
end
local levels = {}
for number, told in ipairs(cmsgpack.unpack(ARGV[3])) do
  local name, rate, new = prefix .. ":level:" .. told[1], told[2], told[3]
  local amount, at = (redis.call("GET", name) or "0:0"):match("^(.+):(%d+)$")
  local level = math.max(0, tonumber(amount) - math.max(0, now - tonumber(at)) / 1000000 * rate) + new
  if level > 0 then
    local life = math.min(86400000, math.ceil(level / rate * 1000) + 1000)
    redis.call("SET", name, string.format("%.17g:%.0f", level, now), "PX", string.format("%.0f", life))
  else
    redis.call("DEL", name)
  end
  levels[number] = level
end
return cmsgpack.pack(levels)
