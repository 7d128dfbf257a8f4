-- steer: what staff do to a sale that is in the store.
-- ARGV  4 act id  5 actor  6 role  7 reason  8 word of flash_sale.model.Steering  9 countdown_ms  10 ends_at_ms, 0: as it
--       was  11 1: cancel holds (close)  12 1: may raise the allocation (restock), then 2 per sku: sku, units
-- Returns the view of the sale, or refused, a word of flash_sale.model.Refusal, detail. An act id takes effect once,
-- and with other arguments it is another act: reused.
if ARGV[8] == 'freeze' then
  if not all_typed() then return redis.error_reply('WRONGTYPE a key of the sale holds another kind of value') end
  load_sale()
  if not sale.epoch then return {'missing'} end
  if sale.state ~= 'frozen' then
    set_state('frozen', ARGV[5], ARGV[7])
    commit()
  end
  return view()
end
local refusal = begin()
if refusal then return refusal end
local asked, earlier = table.concat(ARGV, PART, 7), redis.call('HGET', ACTS, ARGV[4])
if earlier then
  commit()
  if earlier ~= asked then return {'refused', 'reused', ''} end
  return view()
end

local actor, reason = ARGV[5], ARGV[7]
local function refused(word, detail)
  commit()
  return {'refused', word, detail}
end
local function only_in(states)
  if states[sale.state] then return nil end
  return refused('wrong_state', sale.state)
end

local acts = {}

function acts.open()
  local wrong = only_in({armed = true, countdown = true})
  if wrong then return wrong end
  local starts = now + tonumber(ARGV[9])
  local ends = tonumber(ARGV[10])
  if ends == 0 then ends = tonumber(sale.ends_at_ms) end
  if ends > 0 and ends <= starts then return refused('bad_time', 'it would end before it starts') end
  sale.starts_at_ms, sale.ends_at_ms = whole(starts), whole(ends)
  set_state(starts > now and 'countdown' or 'open', actor, reason)
end

function acts.pause()
  local wrong = only_in({open = true, countdown = true})
  if wrong then return wrong end
  set_state('paused', actor, reason)
end

function acts.resume()
  local wrong = only_in({paused = true})
  if wrong then return wrong end
  set_state(tonumber(sale.starts_at_ms) > now and 'countdown' or 'open', actor, reason)
  for sku in string.gmatch(sale.skus, '[^,]+') do serve(units(sku), SERVED_MOST) end
end

function acts.close()
  local wrong = only_in({armed = true, countdown = true, open = true, paused = true})
  if wrong then return wrong end
  redis.call('HSET', SALE, 'cancel_holds', ARGV[11])
  set_state('closed', actor, reason)
end

function acts.restock()
  local wrong = only_in({armed = true, countdown = true, open = true, paused = true})
  if wrong then return wrong end
  for at = 13, #ARGV, 2 do
    local unit = units(ARGV[at])
    if not unit then return refused('unknown_sku', ARGV[at]) end
    local spent = unit.initial + unit.written_off + tonumber(ARGV[at + 1])
    if spent > unit.allocated and ARGV[12] ~= '1' then
      return refused('above_allocation', ARGV[at] .. ' ' .. whole(unit.allocated - unit.initial - unit.written_off))
    end
  end
  for at = 13, #ARGV, 2 do
    local unit, count = units(ARGV[at]), tonumber(ARGV[at + 1])
    local beyond = unit.initial + unit.written_off + count - unit.allocated
    if beyond > 0 then
      change(unit, 'allocated', beyond)
      move('stock', '', '', table.concat({actor, 'allocate', reason, ARGV[6], unit.sku .. '=' .. whole(beyond)}, PART), '')
    end
    change(unit, 'initial', count)
    change(unit, 'available', count)
    move('stock', '', '', table.concat({actor, 'restock', reason, ARGV[6], unit.sku .. '=' .. whole(count)}, PART), '')
    serve(unit, SERVED_MOST)
  end
end

local wrong = acts[ARGV[8]]()
if wrong then return wrong end
redis.call('HSET', ACTS, ARGV[4], asked)
commit()
return view()
