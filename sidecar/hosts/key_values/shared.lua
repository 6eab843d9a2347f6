-- Operations on what scripts keep by key, one after the other and all of them as one step. In step with batch.py, which
-- says what they mean.
--
-- Of a tenant T: PREFIX:values:T has the texts, PREFIX:about:T "ends:created:updated" of each in microseconds since 1970
-- (ends is empty for ever), PREFIX:names:T the keys in their order. Of all: PREFIX:bytes has each tenant's bytes,
-- PREFIX:ends the keys that end, as "T NUL key", by when they do.
--
-- ARGV: the prefix, the time or nothing for the server's own, the operations as MessagePack. No key is declared: they are
-- on one server.

local HIGHEST = 2 ^ 53 - 1
local prefix, now = ARGV[1], tonumber(ARGV[2])
if not now then
  local time = redis.call("TIME")
  now = time[1] * 1000000 + time[2]
end

local function digits(number)
  return string.format("%.0f", number)
end

local function place(what, tenant)
  return prefix .. ":" .. what .. ":" .. tenant
end

local function about(tenant, key)
  local found = redis.call("HGET", place("about", tenant), key)
  if not found then
    return nil
  end
  local ends, created, updated = found:match("^(%d*):(%d+):(%d+)$")
  local value = { ends = tonumber(ends), created = created, updated = updated }
  value.live = not value.ends or value.ends > now
  return value
end

local function text_of(tenant, key)
  return redis.call("HGET", place("values", tenant), key) or ""
end

local function bytes_of(tenant)
  return tonumber(redis.call("HGET", prefix .. ":bytes", tenant) or 0)
end

local function weigh(tenant, before, after)
  if after > 0 then
    redis.call("HSET", prefix .. ":bytes", tenant, digits(after))
  elseif before ~= 0 then
    redis.call("HDEL", prefix .. ":bytes", tenant)
  end
end

-- What may be refused for want of memory comes first: then nothing is changed.
local function keep(tenant, key, there, text, ends, most_keys, most_bytes)
  local keys, bytes = redis.call("HLEN", place("about", tenant)), bytes_of(tenant)
  local size = bytes + #text
  if there then
    size = size - redis.call("HSTRLEN", place("values", tenant), key)
  else
    size = size + #key
  end
  if not there and keys + 1 > math.max(most_keys, keys) then
    return { "keys", keys }
  end
  if size > math.max(most_bytes, bytes) then
    return { "bytes", bytes, most_bytes }
  end
  local created = there and there.live and there.created or digits(now)
  redis.call("HSET", place("values", tenant), key, text)
  redis.call("HSET", place("about", tenant), key, (ends and digits(ends) or "") .. ":" .. created .. ":" .. digits(now))
  if not there then
    redis.call("ZADD", place("names", tenant), 0, key)
  end
  if ends then
    redis.call("ZADD", prefix .. ":ends", digits(ends), tenant .. "\0" .. key)
  elseif there and there.ends then
    redis.call("ZREM", prefix .. ":ends", tenant .. "\0" .. key)
  end
  weigh(tenant, bytes, size)
  return false
end

local function forget(tenant, key, there)
  local bytes = bytes_of(tenant)
  local size = #key + redis.call("HSTRLEN", place("values", tenant), key)
  redis.call("HDEL", place("values", tenant), key)
  redis.call("HDEL", place("about", tenant), key)
  redis.call("ZREM", place("names", tenant), key)
  if there.ends then
    redis.call("ZREM", prefix .. ":ends", tenant .. "\0" .. key)
  end
  weigh(tenant, bytes, math.max(0, bytes - size))
end

-- Of up to 17 digits, more than a number of ours holds: eight at the end and the rest apart, whose sum is exact where it
-- is one that may be kept.
local function halves(text)
  local sign, first, last = text:match("^(%-?)(%d-)(%d?%d?%d?%d?%d?%d?%d?%d)$")
  if not sign or #first + #last > 17 then
    return nil
  end
  local factor = sign == "-" and -1 or 1
  return factor * (tonumber(first) or 0), factor * tonumber(last)
end

-- No character is cut in two: what is answered is Unicode.
local function shortened(text)
  return #text > 200 and text:sub(1, 200):gsub("[\192-\247][\128-\191]*$", "") or text
end

local operations = {}

function operations.get(tenant, key)
  local there = about(tenant, key)
  return there and there.live and text_of(tenant, key) or false
end

function operations.set(tenant, key, text, life, most_keys, most_bytes)
  local ends = life > 0 and now + life or nil
  return keep(tenant, key, about(tenant, key), text, ends, most_keys, most_bytes)
end

function operations.increment(tenant, key, by, life, most_keys, most_bytes)
  local there = about(tenant, key)
  local text = there and there.live and text_of(tenant, key) or "0"
  local high, low = halves(text)
  if not high then
    return { "integer", shortened(text) }
  end
  local by_high, by_low = halves(by)
  local number = (high + by_high) * 1e8 + (low + by_low) + 0
  if math.abs(number) > HIGHEST then
    return { "beyond" }
  end
  local ends = there and there.live and there.ends or nil
  if life >= 0 then
    ends = life > 0 and now + life or nil
  end
  return keep(tenant, key, there, digits(number), ends, most_keys, most_bytes) or number
end

function operations.delete(tenant, key)
  local there = about(tenant, key)
  if there then
    forget(tenant, key, there)
  end
  return false
end

function operations.sweep(tenant, key)
  local there = about(tenant, key)
  if there and not there.live then
    forget(tenant, key, there)
  end
  return false
end

function operations.page(tenant, after, limit)
  local page = {}
  while #page < limit do
    local from = after == "" and "-" or "(" .. after
    local names = redis.call("ZRANGEBYLEX", place("names", tenant), from, "+", "LIMIT", 0, limit - #page)
    if #names == 0 then
      break
    end
    for _, key in ipairs(names) do
      local there = about(tenant, key)
      if there and there.live then
        local size = redis.call("HSTRLEN", place("values", tenant), key)
        page[#page + 1] = { key, size, there.ends or false, tonumber(there.created), tonumber(there.updated) }
      end
      after = key
    end
  end
  return page
end

function operations.space(tenant)
  return { redis.call("HLEN", place("about", tenant)), bytes_of(tenant) }
end

function operations.ended(limit)
  return redis.call("ZRANGEBYSCORE", prefix .. ":ends", "-inf", digits(now), "LIMIT", 0, limit)
end

local answers = {}
for number, operation in ipairs(cmsgpack.unpack(ARGV[3])) do
  answers[number] = operations[operation[1]](unpack(operation, 2))
end
return cmsgpack.pack(answers)
