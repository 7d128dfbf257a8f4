-- reserve: decide a batch of purchases of one sale, in order; each tail takes effect at most once.
-- ARGV  4 refusals kept for ms  5 refusals kept at most  6 waitlist places at most  7 durability mode,
--       then 5 per purchase: tail, user, request_id, ask (sku*qty, joined by ','; '+' at the end: may wait), name
-- Returns after the header: 'sku=available,...', then outcome and order (or '') per purchase. Outcomes are
-- words of flash_sale.model.Outcome. All or nothing per purchase; a refusal changes nothing for its neighbours.
local refusal = begin()
if refusal then return refusal end

local FIRST, WIDTH = 8, 5
local kept_ms, kept_most, places = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local durability = ARGV[7]

local tails = {}
for at = FIRST, #ARGV, WIDTH do tails[#tails + 1] = ARGV[at] end
local known = redis.call('HMGET', ORDERS, unpack(tails))
local refused = {redis.call('HMGET', KEYS[5], unpack(tails)), redis.call('HMGET', KEYS[6], unpack(tails))}

local parsed = {}
local function lines(ask)
  local found = parsed[ask]
  if not found then
    found = lines_of(ask)
    for _, line in ipairs(found) do
      line.unit = units(line.sku)
      if not line.unit then found.unknown = true end
    end
    parsed[ask] = found
  end
  return found
end

local fields, place = {}, {}
for number = 1, #tails do
  local at = FIRST + (number - 1) * WIDTH
  for _, line in ipairs(lines(ARGV[at + 3])) do
    local field = line.sku .. FIELD .. ARGV[at + 1]
    if not place[field] then
      fields[#fields + 1] = field
      place[field] = #fields
    end
  end
end
local held = {}
for from = 1, #fields, 1000 do
  local values = redis.call('HMGET', BUYERS, unpack(fields, from, math.min(from + 999, #fields)))
  for number, value in ipairs(values) do held[fields[from + number - 1]] = tonumber(value or '0') end
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

local new_orders, new_holds, new_deadlines, new_waiting, new_refusals = {}, {}, {}, {}, {}

local function keep(at, outcome, amount, prices, expires, position)
  local tail = ARGV[at]
  local text = table.concat({ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], amount, prices, whole(now), expires, position, durability, ARGV[at + 4]}, FIELD)
  new_orders[#new_orders + 1] = tail
  new_orders[#new_orders + 1] = text
  local state
  if outcome == 'reserved' then
    state = 'reserved ' .. whole(now) .. ' ' .. whole(now) .. ' ' .. expires .. ' 0 -'
  else
    state = 'queued ' .. whole(now) .. ' 0 0 0 -'
  end
  move(outcome, tail, state, '', text)
  return text
end

local function hold(field, qty)
  held[field] = held[field] + qty
  new_holds[field] = held[field]
end

local function priced(asked)
  local amount, prices = 0, {}
  for number, line in ipairs(asked) do
    amount = amount + line.qty * line.unit.price
    prices[number] = whole(line.unit.price)
  end
  return whole(amount), table.concat(prices, ',')
end

local function wait(at, asked)
  local unit, field = asked[1].unit, asked[1].sku .. FIELD .. ARGV[at + 1]
  if held[field] + 1 > unit.limit then return 'limit_reached' end
  if places_taken >= places then return 'sold_out' end
  local position = queued(unit) + 1
  queue[unit.sku] = position
  places_taken = places_taken + 1
  hold(field, 1)
  local amount, prices = priced(asked)
  local text = keep(at, 'queued', amount, prices, '0', whole(position))
  new_waiting[#new_waiting + 1] = whole(unit.index * INDEX_STEP + tonumber(sale.epoch) * EPOCH_STEP + seq)
  new_waiting[#new_waiting + 1] = ARGV[at]
  return 'queued', text
end

local CLOSED_TO_BUYERS = {armed = 'not_started', countdown = 'not_started', paused = 'paused', closed = 'ended'}

local function decide(at)
  local asked = lines(ARGV[at + 3])
  if asked.unknown then return 'unknown_sku' end
  local closed = CLOSED_TO_BUYERS[sale.state]
  if closed then return closed end
  local user = ARGV[at + 1]
  for _, line in ipairs(asked) do
    if line.unit.available < line.qty or queued(line.unit) > 0 then
      if string.sub(ARGV[at + 3], -1) == '+' then return wait(at, asked) end
      return 'sold_out'
    end
  end
  for _, line in ipairs(asked) do
    if held[line.sku .. FIELD .. user] + line.qty > line.unit.limit then return 'limit_reached' end
  end
  for _, line in ipairs(asked) do
    change(line.unit, 'available', -line.qty)
    change(line.unit, 'reserved', line.qty)
    hold(line.sku .. FIELD .. user, line.qty)
  end
  local amount, prices = priced(asked)
  local text = keep(at, 'reserved', amount, prices, whole(now + tonumber(sale.hold_ms)), '0')
  new_deadlines[#new_deadlines + 1] = whole(now + tonumber(sale.hold_ms) + tonumber(sale.grace_ms))
  new_deadlines[#new_deadlines + 1] = ARGV[at]
  return 'reserved', text
end

local function again(text, ask)
  local part = split(text, FIELD)
  if part[3] ~= ask then return 'reused', '' end
  return part[8] == '0' and 'reserved' or 'queued', text
end

local outcomes, decided = {}, {}
for number, tail in ipairs(tails) do
  local at = FIRST + (number - 1) * WIDTH
  local ask, outcome, text = ARGV[at + 3], nil, nil
  local earlier = decided[tail]
  local kept = known[number] or (earlier and earlier.text)
  local no = refused[1][number] or refused[2][number] or (earlier and earlier.no)
  if kept then
    outcome, text = again(kept, ask)
  elseif no then
    local word, asked = string.match(no, '^(%S+) (.*)$')
    outcome = asked == ask and word or 'reused'
  else
    outcome, text = decide(at)
    if text then
      decided[tail] = {text = text}
    elseif outcome ~= 'unknown_sku' then
      decided[tail] = {no = outcome .. ' ' .. ask}
      new_refusals[#new_refusals + 1] = tail
      new_refusals[#new_refusals + 1] = decided[tail].no
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
if #new_refusals > 0 then keep_refusals(new_refusals, kept_ms, kept_most) end
commit()
local shown = {}
for sku, unit in pairs(stock) do
  if unit then shown[#shown + 1] = sku .. '=' .. whole(queued(unit) > 0 and 0 or unit.available) end
end
return answer(table.concat(shown, ','), unpack(outcomes))
