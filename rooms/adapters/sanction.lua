-- sanction: put the mutes and bans of SQL in place, unless newer ones already are.
-- KEYS  1 meta  2 mutes  3 bans
-- ARGV  1 version  2 number of mutes, then user, until_ms ..., then the number of bans, then user ...
-- Returns 1 when they were put in place, 0 when newer ones stand.
local version = tonumber(ARGV[1])
if tonumber(redis.call('HGET', KEYS[1], 'sanctions') or '0') > version then return 0 end
redis.call('DEL', KEYS[2], KEYS[3])
local mutes = tonumber(ARGV[2])
for index = 3, 2 + 2 * mutes, 2 do redis.call('HSET', KEYS[2], ARGV[index], ARGV[index + 1]) end
for index = 4 + 2 * mutes, #ARGV do redis.call('HSET', KEYS[3], ARGV[index], '1') end
redis.call('HSET', KEYS[1], 'sanctions', ARGV[1])
return 1
