-- rebuild_begin: throw away what the store has of a sale; it is frozen under a new epoch until the rebuild ends.
-- ARGV  4 epoch  5 room  6 currency  7 hold_ms  8 offer_ms  9 grace_ms  10 skus
-- Returns ok. The keys may be of any type: they go.
local epoch = tonumber(redis.call('TYPE', SALE).ok == 'hash' and redis.call('HGET', SALE, 'epoch') or '0')
if epoch >= tonumber(ARGV[4]) then
  if epoch == tonumber(ARGV[4]) and redis.call('HGET', SALE, 'state') == 'frozen' then return {'ok'} end
  return {'stale', whole(epoch)}
end
for number, key in ipairs(KEYS) do
  -- Payments, acts and the stream are never wrong for being old: they keep what is repeated from taking effect twice.
  local kept = (number == 10 and typed(key, 'hash')) or (number == 11 and typed(key, 'hash')) or (number == 12 and typed(key, 'stream'))
  if not kept then redis.call('UNLINK', key) end
end
redis.call('HSET', SALE, 'epoch', ARGV[4], 'seq', '0', 'told', '0', 'version', '0', 'clock_ms', '0', 'state', 'frozen',
  'reason', 'rebuilding', 'starts_at_ms', '0', 'ends_at_ms', '0', 'room', ARGV[5], 'currency', ARGV[6], 'hold_ms', ARGV[7],
  'offer_ms', ARGV[8], 'grace_ms', ARGV[9], 'cancel_holds', '0', 'skus', ARGV[10])
return {'ok'}
