-- reserve: decide a batch of purchases of one sale, in order; each tail takes effect at most once.
-- ARGV  4 refusals kept for ms  5 refusals kept at most  6 waitlist places at most  7 durability mode,
--       8 a row per purchase: tail, user, request_id, ask, name and, if there is one, note. An ask is
--       sku*qty@markup (no markup: sku*qty) joined by ',', then |discount|coupon... if there is any, then '+' for: may wait
--       9 orders of one buyer at most, whatever became of them
-- Returns after the header: 'sku=available,...', then outcome and order (or '') per purchase. Outcomes are
-- words of flash_sale.model.Outcome. All or nothing per purchase; a refusal changes nothing for its neighbours.
local refusal = begin()
if refusal then return refusal end

local AMOUNT_MAX = 9007199254740991 -- numbers are exact up to here
local orders_most = tonumber(ARGV[9])
local places, after = tonumber(ARGV[6]), FIELD .. ARGV[7] .. FIELD
local now_text = whole(now)
local expires = whole(now + tonumber(sale.hold_ms))
local deadline = whole(now + tonumber(sale.hold_ms) + tonumber(sale.grace_ms))

-- One argument for the whole batch: clients spend more on a thousand small ones than this loop does.
local tails, users, requests, asks, names = {}, {}, {}, {}, {}
for tail, user, request, ask, name in string.gmatch(ARGV[8], '([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\31]*)\31([^\30]*)\30') do
  local number = #tails + 1
  tails[number], users[number], requests[number], asks[number], names[number] = tail, user, request, ask, name
end
local known = redis.call('HMGET', ORDERS, unpack(tails))
local refused, refused_before = redis.call('HMGET', KEYS[5], unpack(tails)), redis.call('HMGET', KEYS[6], unpack(tails))

-- Whether somebody would wait is no part of what an order is: a retry after a rebuild must find it.
local function bare(ask) return (string.gsub(ask, '%+$', '')) end

-- What a purchase adds to the price of a unit of each line, and what it takes off the sum.
local function own_prices(ask)
  local markups = {}
  for markup in string.gmatch(ask, '%*%d+@?(%d*)') do markups[#markups + 1] = tonumber(markup) or 0 end
  return markups, tonumber(string.match(ask, '|(%d+)') or '0')
end

-- What is asked is parsed and priced once per batch, however many ask for it.
local parsed = {}
local function lines(ask)
  local found = parsed[ask]
  if found then return found end
  found = lines_of(ask)
  found.waits = string.sub(ask, -1) == '+'
  local amount, prices, markups, discount = 0, {}, nil, 0
  if string.find(ask, '[@|]') then markups, discount = own_prices(ask) end
  for number, line in ipairs(found) do
    line.unit = units(line.sku)
    if line.unit then
      local price = line.unit.price + (markups and markups[number] or 0)
      amount = amount + line.qty * price
      prices[number] = whole(price)
    else
      found.unknown = true
    end
  end
  if markups then
    found.bad_price = amount > AMOUNT_MAX or (discount > 0 and amount - discount < 1)
    amount = amount - discount
  end
  found.priced = bare(ask) .. FIELD .. whole(amount) .. FIELD .. table.concat(prices, ',') .. FIELD .. now_text .. FIELD
  parsed[ask] = found
  return found
end

local fields, held = {}, {}
local function look_up(field)
  if held[field] then return end
  held[field] = 0
  fields[#fields + 1] = field
end
for number, user in ipairs(users) do
  look_up(FIELD .. user) -- how many orders of any state
  for _, line in ipairs(lines(asks[number])) do
    look_up(line.sku .. FIELD .. user)
  end
end
for from = 1, #fields, 2000 do
  local values = redis.call('HMGET', BUYERS, unpack(fields, from, math.min(from + 1999, #fields)))
  for number, value in ipairs(values) do
    if value then held[fields[from + number - 1]] = tonumber(value) end
  end
end

local places_taken = redis.call('ZCARD', WAITING)
local queue = {}
local function queued(unit)
  local count = queue[unit.sku]
  if not count then
    count = places_taken > 0 and waiting_count(unit) or 0
    queue[unit.sku] = count
  end
  return count
end

local new_orders, new_deadlines, new_waiting, new_refusals, new_holds = {}, {}, {}, {}, {}

local function hold(field, qty)
  held[field] = held[field] + qty
  new_holds[field] = held[field]
end

-- A move of a new order needs no state: it is as first answered.
local function keep(number, kind, asked, ends, position)
  local tail = tails[number]
  hold(FIELD .. users[number], 1)
  local text = users[number] .. FIELD .. requests[number] .. FIELD .. asked.priced .. ends .. FIELD .. position .. after .. names[number]
  new_orders[#new_orders + 1] = tail
  new_orders[#new_orders + 1] = text
  seq = seq + 1
  moves[#moves + 1] = kind .. FIELD .. whole(seq) .. FIELD .. now_text .. FIELD .. tail .. FIELD .. FIELD .. FIELD .. text
  return text
end

local function wait(number, asked)
  local unit, field = asked[1].unit, asked[1].sku .. FIELD .. users[number]
  if held[field] + 1 > unit.limit or held[FIELD .. users[number]] >= orders_most then return 'limit_reached' end
  if places_taken >= places then return 'sold_out' end
  local position = queued(unit) + 1
  queue[unit.sku] = position
  places_taken = places_taken + 1
  hold(field, 1)
  local text = keep(number, 'queued', asked, '0', whole(position))
  new_waiting[#new_waiting + 1] = whole(unit.index * INDEX_STEP + tonumber(sale.epoch) * EPOCH_STEP + seq)
  new_waiting[#new_waiting + 1] = tails[number]
  return 'queued', text
end

local CLOSED_TO_BUYERS = {armed = 'not_started', countdown = 'not_started', paused = 'paused', closed = 'ended'}
local closed = CLOSED_TO_BUYERS[sale.state]

local function decide(number)
  local asked = lines(asks[number])
  if asked.unknown then return 'unknown_sku' end
  if asked.bad_price then return 'bad_price' end
  if closed then return closed end
  for _, line in ipairs(asked) do
    if line.unit.available < line.qty or queued(line.unit) > 0 then
      if asked.waits then return wait(number, asked) end
      return 'sold_out'
    end
  end
  local user = users[number]
  if held[FIELD .. user] >= orders_most then return 'limit_reached' end
  for _, line in ipairs(asked) do
    if held[line.sku .. FIELD .. user] + line.qty > line.unit.limit then return 'limit_reached' end
  end
  for _, line in ipairs(asked) do
    change(line.unit, 'available', -line.qty)
    change(line.unit, 'reserved', line.qty)
    hold(line.sku .. FIELD .. user, line.qty)
  end
  local text = keep(number, 'reserved', asked, expires, '0')
  new_deadlines[#new_deadlines + 1] = deadline
  new_deadlines[#new_deadlines + 1] = tails[number]
  return 'reserved', text
end

local function again(text, ask)
  local part = split(text, FIELD)
  if part[3] ~= bare(ask) then return 'reused', '' end
  return part[8] == '0' and 'reserved' or 'queued', text
end

local outcomes, kept, no = {}, {}, {}
for number, tail in ipairs(tails) do
  local ask, outcome, text = asks[number], nil, nil
  local order = known[number] or kept[tail]
  local refusal = refused[number] or refused_before[number] or no[tail]
  if order then
    outcome, text = again(order, ask)
  elseif refusal then
    local word, asked = string.match(refusal, '^(%S+) (.*)$')
    outcome = asked == ask and word or 'reused'
  else
    outcome, text = decide(number)
    if text then
      kept[tail] = text
    elseif outcome ~= 'unknown_sku' and outcome ~= 'bad_price' then
      no[tail] = outcome .. ' ' .. ask
      new_refusals[#new_refusals + 1] = tail
      new_refusals[#new_refusals + 1] = no[tail]
      if outcome ~= 'sold_out' then marks[#marks + 1] = tail end
    end
  end
  outcomes[#outcomes + 1] = outcome
  outcomes[#outcomes + 1] = text or ''
end

-- From here on nothing may fail.
local function write(command, key, list)
  for from = 1, #list, 2000 do redis.call(command, key, unpack(list, from, math.min(from + 1999, #list))) end
end
write('HSET', ORDERS, new_orders)
write('ZADD', DEADLINES, new_deadlines)
write('ZADD', WAITING, new_waiting)
local list = {}
for field, count in pairs(new_holds) do
  list[#list + 1] = field
  list[#list + 1] = count
end
write('HSET', BUYERS, list)
if #new_refusals > 0 then keep_refusals(new_refusals, tonumber(ARGV[4]), tonumber(ARGV[5])) end
commit()
local shown = {}
for sku, unit in pairs(stock) do
  if unit then shown[#shown + 1] = sku .. '=' .. whole(queued(unit) > 0 and 0 or unit.available) end
end
return answer(table.concat(shown, ','), unpack(outcomes))
