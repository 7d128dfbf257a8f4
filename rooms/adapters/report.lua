-- report: one worker's part of a room's attendance in, the whole out; parts of dead workers lapse.
-- KEYS  1 attendance: worker -> clients, users, at_ms  2 member lists: worker -> JSON  3 meta
-- ARGV  1 worker  2 clients  3 users  4 member list or ''  5 a part lapses after ms  6 ttl_s of both
-- Returns clients, users, epoch or '', top, likes, sanctions version.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if ARGV[2] == '0' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], table.concat({ARGV[2], ARGV[3], string.format('%.0f', now)}, ' '))
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
  redis.call('EXPIRE', KEYS[1], ARGV[6])
  redis.call('EXPIRE', KEYS[2], ARGV[6])
end
local clients, users = 0, 0
local parts = redis.call('HGETALL', KEYS[1])
for index = 1, #parts, 2 do
  local some, persons, at = string.match(parts[index + 1], '(%d+) (%d+) (%d+)')
  if now - tonumber(at) > tonumber(ARGV[5]) then
    redis.call('HDEL', KEYS[1], parts[index])
    redis.call('HDEL', KEYS[2], parts[index])
  else
    clients = clients + tonumber(some)
    users = users + tonumber(persons)
  end
end
local meta = redis.call('HMGET', KEYS[3], 'epoch', 'top', 'likes', 'sanctions')
return {clients, users, meta[1] or '', meta[2] or '0', meta[3] or '0', meta[4] or '0'}
