-- Messages to whoever hears their channels, in their order. ARGV: the prefix of all keys, and then for each a channel and
-- the message.
for number = 2, #ARGV, 2 do
  redis.call("PUBLISH", ARGV[number], ARGV[number + 1])
end
return #ARGV / 2
