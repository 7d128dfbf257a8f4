-- pay: take payments, in order; a payment id takes effect once, an order is paid at most once.
-- ARGV  from 4, 5 per payment: tail, payment id, amount, currency, provider
-- Returns after the header, per payment: outcome (a word of flash_sale.model.PaymentOutcome), order, state.
-- A hold that is over when its payment comes is released here, so the sweep decides nothing by being late or early.
local refusal = begin()
if refusal then return refusal end

local function settle(order, at)
  local grace = tonumber(sale.grace_ms)
  if order.state == 'reserved' and now > tonumber(order.expires) + grace then release(order, 'expired', '') end
  if ARGV[at + 2] ~= order.amount or ARGV[at + 3] ~= sale.currency then return 'mismatch' end
  if order.state == 'paid' then return 'surplus' end
  if order.state ~= 'reserved' then return 'late' end
  return 'accepted'
end

local function pay(order, at)
  local outcome = settle(order, at)
  local extra = table.concat({ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], outcome}, PART)
  redis.call('HSET', PAYMENTS, ARGV[at + 1], outcome .. ' ' .. order.tail)
  if outcome ~= 'accepted' then
    move('payment', order.tail, order.state_text, extra, order.text)
    return outcome
  end
  redis.call('ZREM', DEADLINES, order.tail)
  for _, line in ipairs(order.lines) do
    change(units(line.sku), 'reserved', -line.qty)
    change(units(line.sku), 'sold', line.qty)
  end
  order.paid, order.payment = whole(now), ARGV[at + 1]
  become(order, 'paid', 'paid', extra)
  return outcome
end

local results = {}
local function result(outcome, order)
  results[#results + 1] = outcome
  results[#results + 1] = order and order.text or ''
  results[#results + 1] = order and order.state_text or ''
end

for at = 4, #ARGV, 5 do
  local order = order_of(ARGV[at])
  local earlier = redis.call('HGET', PAYMENTS, ARGV[at + 1])
  local outcome, tail = string.match(earlier or '', '^(%S+) (%S+)$')
  if not order then
    result('unknown_order', nil)
  elseif order.payment == ARGV[at + 1] then -- maybe known from before a rebuild only
    result('accepted', order)
  elseif outcome and tail ~= order.tail then
    result('mismatch', order)
  elseif outcome and outcome ~= 'accepted' then
    result(outcome, order)
  else
    result(pay(order, at), order)
  end
end
commit()
return answer(unpack(results))
