-- rebuild_finish: put counters, state and times in place; from here on purchases are decided again.
-- ARGV  4 epoch  5 state  6 reason  7 starts_at_ms  8 ends_at_ms, then 2 per sku: sku, counters
-- Returns the view of the sale.
if not all_typed() then return redis.error_reply('WRONGTYPE a key of the sale holds another kind of value') end
load_sale()
if sale.epoch ~= ARGV[4] then return {'stale', sale.epoch or ''} end
if sale.state ~= 'frozen' then return view() end
for at = 9, #ARGV, 2 do
  local unit = parse_units(ARGV[at], ARGV[at + 1])
  stock[ARGV[at]], touched[ARGV[at]] = unit, unit
end
sale.starts_at_ms, sale.ends_at_ms = ARGV[7], ARGV[8]
set_state(ARGV[5], '', ARGV[6])
commit()
return view()
