-- publish: announce what a replica has by now, in the order in which it was stored.
-- KEYS  1 queue of messages: each is its number, a line break, and what is announced
-- ARGV  1 channel  2 number of the newest message that a replica has
-- Returns how many were announced. Messages of workers that died before they could are among them.
local announced = 0
while true do
  local message = redis.call('LINDEX', KEYS[1], 0)
  if not message then break end
  local ends = string.find(message, '\n', 1, true)
  if tonumber(string.sub(message, 1, ends - 1)) > tonumber(ARGV[2]) then break end
  redis.call('LPOP', KEYS[1])
  redis.call('SPUBLISH', ARGV[1], string.sub(message, ends + 1))
  announced = announced + 1
end
return announced
