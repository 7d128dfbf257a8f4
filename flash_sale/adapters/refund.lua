-- refund: a paid order's money goes back; its units return to the waitlist and to stock, or are written off.
-- ARGV  4 tail  5 act id  6 actor  7 role  8 reason  9 1: units return, 0: they are written off
-- Returns after the header: a word of flash_sale.model.Change, order, state.
local refusal = begin()
if refusal then return refusal end
local order = order_of(ARGV[4])
if not order then
  commit()
  return answer('unknown_order', '', '')
end
local word, acted = 'done', redis.call('HGET', ACTS, ARGV[5])
local mine = acted == 'refund ' .. order.tail
if acted and not mine then
  word = 'refused'
elseif order.state == 'paid' then
  let_go(order)
  redis.call('HSET', ACTS, ARGV[5], 'refund ' .. order.tail)
  become(order, 'refunded', 'refunded', table.concat({ARGV[6], ARGV[8], ARGV[9], ARGV[5], ARGV[7]}, PART))
  for _, line in ipairs(order.lines) do
    local unit = units(line.sku)
    change(unit, 'sold', -line.qty)
    change(unit, 'refunded', line.qty)
    if ARGV[9] == '1' then
      change(unit, 'available', line.qty)
      serve(unit, math.min(line.qty, SERVED_MOST))
    else
      change(unit, 'initial', -line.qty)
      change(unit, 'written_off', line.qty)
    end
  end
else
  word = order.state == 'refunded' and mine and 'already' or 'refused'
end
commit()
return answer(word, order.text, order.state_text)
