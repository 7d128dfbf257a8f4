-- rebuild_load: add orders to a sale that is being rebuilt. An order that is there already is left alone.
-- ARGV  4 epoch, then 5 per order: tail, order, state, deadline or '', score in the waitlist or ''
-- Returns ok.
if redis.call('HGET', SALE, 'epoch') ~= ARGV[4] or redis.call('HGET', SALE, 'state') ~= 'frozen' then return {'stale'} end
local HOLDING = {queued = true, reserved = true, paid = true}
for at = 5, #ARGV, 5 do
  local tail = ARGV[at]
  if redis.call('HSETNX', ORDERS, tail, ARGV[at + 1]) == 1 then
    redis.call('HSET', STATES, tail, ARGV[at + 2])
    if ARGV[at + 3] ~= '' then redis.call('ZADD', DEADLINES, ARGV[at + 3], tail) end
    if ARGV[at + 4] ~= '' then redis.call('ZADD', WAITING, ARGV[at + 4], tail) end
    local order = order_of(tail)
    redis.call('HINCRBY', BUYERS, FIELD .. order.user, 1)
    if order.payment ~= '-' then redis.call('HSET', PAYMENTS, order.payment, 'accepted ' .. tail) end
    if HOLDING[order.state] then
      for _, line in ipairs(order.lines) do redis.call('HINCRBY', BUYERS, line.sku .. FIELD .. order.user, line.qty) end
    end
  end
end
return {'ok'}
