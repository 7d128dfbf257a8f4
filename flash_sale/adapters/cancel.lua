-- cancel: give up a hold or a place in the waitlist.
-- ARGV  4 tail  5 user who must own it, or ''  6 actor  7 reason
-- Returns after the header: a word of flash_sale.model.Change, order, state.
local refusal = begin()
if refusal then return refusal end
local order = order_of(ARGV[4])
if not order or (ARGV[5] ~= '' and order.user ~= ARGV[5]) then
  commit()
  return answer('unknown_order', '', '')
end
local word, extra = 'done', ARGV[6] .. PART .. ARGV[7]
if order.state == 'reserved' then
  release(order, 'cancelled', extra)
elseif order.state == 'queued' then
  leave_waitlist(order, 'cancelled', extra)
else
  word = order.state == 'cancelled' and 'already' or 'refused'
end
commit()
return answer(word, order.text, order.state_text)
