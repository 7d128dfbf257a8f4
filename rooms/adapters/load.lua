-- load: the whole of a room for a worker that opens it; fills from SQL what this store lacks.
-- KEYS  1 meta  2 stream  3 fields  4 mutes  5 bans  6 comment_likes
-- ARGV  1 history, four words as for append
--       2 entries max  3 version of the seed  4 number of fields, then field, value ...
--       then number of mutes, then user, until_ms ...; then number of bans, then user ...
-- Returns epoch, top, likes, sanctions version, {field, value ...}, {id, entry ...} newest first,
--         {comment id, likes ...}, {banned user ...}
-- A store that is behind what the worker knows begins a new history with the entries it has.
-- One that is behind SQL (it was lost, or a worker died between SQL and here) takes what is newer in the seed:
-- a field unless a later change of it was announced; mutes and bans together, unless later ones are in place.
local at = 4
local function pairs_from()
  local count = tonumber(ARGV[at])
  local list = {}
  for index = at + 1, at + 2 * count do list[#list + 1] = ARGV[index] end
  at = at + 1 + 2 * count
  return list
end
local fields, mutes = pairs_from(), pairs_from()
local bans = {}
for index = at + 1, at + tonumber(ARGV[at]) do bans[#bans + 1] = ARGV[index] end

local fresh, known_epoch, known_top, announcing = string.match(ARGV[1], '^(%S+) (%S*) (%d+) (%S+)$')
redis.call('HSETNX', KEYS[1], 'epoch', fresh)
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'top', 'likes', 'sanctions')
if meta[1] == known_epoch and tonumber(meta[2] or '0') < tonumber(known_top) then
  meta[1] = fresh
  redis.call('HSET', KEYS[1], 'epoch', fresh)
end
if meta[1] == fresh and announcing == 'watched' then -- it begins here, whatever this server was before
  local server_line = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  redis.call('HSET', KEYS[1], 'line', server_line)
end
local seed_version = tonumber(ARGV[3])
for index = 1, #fields, 2 do
  local announced = tonumber(redis.call('HGET', KEYS[3], 'version:' .. fields[index]) or '0')
  if announced <= seed_version then redis.call('HSET', KEYS[3], fields[index], fields[index + 1]) end
end
local sanctions = tonumber(meta[4] or '-1')
if sanctions <= seed_version then
  sanctions = seed_version
  redis.call('DEL', KEYS[4], KEYS[5])
  for index = 1, #mutes, 2 do redis.call('HSET', KEYS[4], mutes[index], mutes[index + 1]) end
  for _, user in ipairs(bans) do redis.call('HSET', KEYS[5], user, '1') end
  redis.call('HSET', KEYS[1], 'sanctions', ARGV[3])
end
local entries = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[2])
local flat = {}
for _, entry in ipairs(entries) do
  flat[#flat + 1] = entry[1]
  flat[#flat + 1] = entry[2][2]
end
return {meta[1], meta[2] or '0', meta[3] or '0', string.format('%.0f', sanctions),
  redis.call('HGETALL', KEYS[3]), flat, redis.call('HGETALL', KEYS[6]), redis.call('HKEYS', KEYS[5])}
