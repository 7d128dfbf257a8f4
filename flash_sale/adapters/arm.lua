-- arm: put a draft into the store. From here on the store decides and the ledger follows.
-- ARGV  4 act id  5 actor  6 role  7 reason  8 epoch  9 room  10 currency  11 hold_ms  12 offer_ms  13 grace_ms
--       14 starts_at_ms, 0: on the host's word  15 ends_at_ms, 0: none, then 5 per sku: sku, allocated, on sale, price, limit
-- Returns the view of the sale, or refused, a word of flash_sale.model.Refusal, detail. An act id takes effect once.
-- Terms stand once a sale is armed, so what an act asked is: why, when it starts, and how much is on sale.
if not all_typed() then return redis.error_reply('WRONGTYPE a key of the sale holds another kind of value') end
load_sale()
local asked = {ARGV[7]}
for at = 16, #ARGV, 5 do asked[#asked + 1] = ARGV[at] .. '=' .. ARGV[at + 2] end
asked = 'arm' .. PART .. table.concat(asked, PART) .. PART
if sale.epoch then
  local earlier = redis.call('HGET', ACTS, ARGV[4])
  if not earlier then return {'refused', 'wrong_state', sale.state} end
  -- Who names no start has it from the ledger, which follows the sale: the first one or the one of now.
  local same = string.sub(earlier, 1, #asked) == asked and (earlier == asked .. ARGV[14] or ARGV[14] == sale.starts_at_ms)
  if not same then return {'refused', 'reused', ''} end
  return view()
end
local starts, ends = tonumber(ARGV[14]), tonumber(ARGV[15])
if ends > 0 and ends <= math.max(starts, now) then return {'refused', 'bad_time', 'it would end before it starts'} end

sale = {
  epoch = ARGV[8], seq = '0', told = '0', version = '0', room = ARGV[9], currency = ARGV[10], hold_ms = ARGV[11], offer_ms = ARGV[12],
  grace_ms = ARGV[13], starts_at_ms = ARGV[14], ends_at_ms = ARGV[15], reason = '', cancel_holds = '0', skew_ms = sale.skew_ms,
}
local skus, lines = {}, {}
for at = 16, #ARGV, 5 do
  local sku, on_sale = ARGV[at], ARGV[at + 2]
  skus[#skus + 1] = sku
  local unit = parse_units(sku, table.concat({on_sale, on_sale, '0', '0', '0', '0', ARGV[at + 1], ARGV[at + 3], ARGV[at + 4], #skus}, ' '))
  stock[sku], touched[sku] = unit, unit
  lines[#lines + 1] = {ARGV[5], 'put_on_sale', ARGV[7], ARGV[6], sku .. '=' .. on_sale}
end
sale.skus = table.concat(skus, ',')
redis.call('HSET', SALE, 'epoch', sale.epoch, 'room', sale.room, 'currency', sale.currency, 'hold_ms', sale.hold_ms, 'offer_ms', sale.offer_ms,
  'grace_ms', sale.grace_ms, 'cancel_holds', '0', 'skus', sale.skus)
redis.call('HSET', ACTS, ARGV[4], asked .. ARGV[14])
set_state(starts > 0 and 'countdown' or 'armed', ARGV[5], ARGV[7])
for _, line in ipairs(lines) do move('stock', '', '', table.concat(line, PART), '') end
turn()
commit()
return view()
