-- sweep: what the clock has made due: opening, closing, overdue holds, the waitlist of a closed sale.
-- ARGV  4 holds to end at most
-- Returns after the header: moves made, 1 if more is due already.
local refusal = begin()
if refusal then return refusal end
local most = tonumber(ARGV[4])

local function end_holds(tails, state, extra)
  for _, tail in ipairs(tails) do
    local order = order_of(tail)
    if order and order.state == 'reserved' then
      release(order, state, extra)
    else
      redis.call('ZREM', DEADLINES, tail)
    end
  end
  return #tails
end

local ended
if sale.state == 'closed' and sale.cancel_holds == '1' then
  ended = end_holds(redis.call('ZRANGE', DEADLINES, 0, most - 1), 'cancelled', PART .. 'the sale was stopped')
else
  local due = redis.call('ZRANGEBYSCORE', DEADLINES, '-inf', '(' .. whole(now), 'LIMIT', 0, most)
  ended = end_holds(due, 'expired', '')
end

local left = most - ended
if left > 0 and redis.call('ZCARD', WAITING) > 0 then
  if sale.state == 'closed' then
    local waiting = redis.call('ZRANGE', WAITING, 0, left - 1)
    for _, tail in ipairs(waiting) do leave_waitlist(order_of(tail), 'expired', '') end
    left = left - #waiting
  else
    for sku in string.gmatch(sale.skus, '[^,]+') do
      if left > 0 then left = left - serve(units(sku), left) end
    end
  end
end
local made = #moves
commit()
return answer(made, left <= 0 and 1 or 0)
