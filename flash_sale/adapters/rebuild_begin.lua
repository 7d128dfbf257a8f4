-- rebuild_begin: throw away what the store has of a sale; it is frozen under a new epoch until the rebuild ends.
-- ARGV  4 epoch  5 room  6 currency  7 hold_ms  8 offer_ms  9 grace_ms  10 skus
-- Returns ok. The keys may be of any type: they go.
local epoch = tonumber(redis.call('TYPE', SALE).ok == 'hash' and redis.call('HGET', SALE, 'epoch') or '0')
if epoch >= tonumber(ARGV[4]) then
  if epoch == tonumber(ARGV[4]) and redis.call('HGET', SALE, 'state') == 'frozen' then return {'ok'} end
  return {'stale', whole(epoch)}
end
-- Refusals, payments, acts and the stream are never wrong for being old: they keep what is repeated from taking
-- effect twice, and its answer as it was.
local KEPT = {[5] = 'hash', [6] = 'hash', [10] = 'hash', [11] = 'hash', [12] = 'stream'}
local newer, since, cancels = '0', whole(0), '0'
if typed(SALE, 'hash') then
  newer = redis.call('HGET', SALE, 'refused_generation') or newer
  since = redis.call('HGET', SALE, 'refused_since_ms') or since
  cancels = redis.call('HGET', SALE, 'cancel_holds') or cancels -- it was closed so, and not all holds are ended yet
end
for number, key in ipairs(KEYS) do
  if not (KEPT[number] and typed(key, KEPT[number])) then redis.call('UNLINK', key) end
end
redis.call('HSET', SALE, 'epoch', ARGV[4], 'seq', '0', 'told', '0', 'version', '0', 'clock_ms', '0', 'state', 'frozen',
  'reason', 'rebuilding', 'starts_at_ms', '0', 'ends_at_ms', '0', 'room', ARGV[5], 'currency', ARGV[6], 'hold_ms', ARGV[7],
  'offer_ms', ARGV[8], 'grace_ms', ARGV[9], 'cancel_holds', cancels, 'skus', ARGV[10],
  'refused_generation', newer, 'refused_since_ms', since)
return {'ok'}
