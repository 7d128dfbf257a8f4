-- sale: what every script of a sale begins with; the adapter puts this text in front of each of them.
-- KEYS  1 sale {epoch, seq, told, state, version, clock_ms, starts_at_ms, ends_at_ms, hold_ms, offer_ms, grace_ms, ...}
--       2 stock: sku -> counters  3 orders: tail -> as first answered  4 states: tail -> as it is now, if changed since
--       5, 6 refused: tail -> outcome, ask (two generations)  7 buyers: sku, user -> units held, bought or waited for; '', user -> orders
--       8 deadlines: tail by the instant its hold ends  9 waiting: tail by index of its sku and number
--       10 payments: id -> outcome, tail  11 acts: id -> what was asked  12 ledger: stream of moves
-- ARGV  1 channel  2 epoch the caller knows, or ''  3 the highest seq the caller has seen of it, with '!' behind it if a
--       promoted replica may lack what was answered, then each script's own
-- Answers begin with a word: ok | missing | stale | frozen. After ok: now_ms, epoch, seq, told.
-- A tail is an order's id without its sale. Counters: initial available reserved sold refunded written_off
-- allocated price limit index; initial == available + reserved + sold after every script.
local FIELD, ROW, PART = '\31', '\30', '\29'
-- Places in the waitlist: 2^40 for each sku, 2^32 for each epoch in it; a double holds 8191 skus exactly.
local INDEX_STEP, EPOCH_STEP = 1099511627776, 4294967296
local SALE, STOCK, ORDERS, STATES, BUYERS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[7]
local DEADLINES, WAITING, PAYMENTS, ACTS, LEDGER = KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12]
-- Of those who wait for a sku, so many are served at once; the sweep serves the others, and nobody buys before them.
local SERVED_MOST = 100
local FENCE_MS = 5000
local COUNTERS = {'initial', 'available', 'reserved', 'sold', 'refunded', 'written_off', 'allocated', 'price', 'limit', 'index'}

local function whole(number) return string.format('%.0f', number) end

local function typed(key, kind)
  local found = redis.call('TYPE', key).ok
  return found == kind or found == 'none'
end

-- Redis does not roll back: a key of another type must be found before the first write.
local function all_typed()
  for number, key in ipairs(KEYS) do
    local kind = 'hash'
    if number == 8 or number == 9 then kind = 'zset' elseif number == 12 then kind = 'stream' end
    if not typed(key, kind) then return false end
  end
  return true
end

local sale, now, seq = {}, 0, 0
local moves, marks = {}, {}
local stock, touched = {}, {}

local function load_sale()
  local flat = redis.call('HGETALL', SALE)
  for i = 1, #flat, 2 do sale[flat[i]] = flat[i + 1] end
  local time = redis.call('TIME')
  local clock = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(sale.skew_ms or '0')
  now = math.max(clock, tonumber(sale.clock_ms or '0')) -- a clock set back never revives a hold
  seq = tonumber(sale.seq or '0')
end

local function move(kind, tail, state, extra, order)
  seq = seq + 1
  moves[#moves + 1] = kind .. FIELD .. whole(seq) .. FIELD .. whole(now) .. FIELD .. tail .. FIELD .. state .. FIELD .. extra .. FIELD .. order
end

local function set_state(state, actor, reason)
  sale.state = state
  sale.reason = reason
  move('sale', '', '', table.concat({actor, state, sale.starts_at_ms, sale.ends_at_ms, reason}, PART), '')
  sale.version = whole(seq)
end

-- What the clock has decided since the last script.
local function turn()
  local starts, ends = tonumber(sale.starts_at_ms), tonumber(sale.ends_at_ms)
  if sale.state == 'countdown' and now >= starts then set_state('open', '', '') end
  if ends > 0 and now >= ends and (sale.state == 'open' or sale.state == 'paused' or sale.state == 'armed') then
    set_state('closed', '', 'ended')
  end
end

-- Announce: in whole for those who show it to people, and its head alone for those who only follow.
local function tell(head, rows)
  local text = table.concat(head, FIELD) .. FIELD
  redis.call('SPUBLISH', ARGV[1], text .. table.concat(marks, ',') .. ROW .. rows)
  redis.call('SPUBLISH', ARGV[1] .. '.heads', text .. ROW)
end

-- A replica that was promoted goes on with the history of the primary that wrote the sale before, as far as it had it.
-- Then nothing is decided for a while, in which whoever has seen more can say so. A server that has always been a
-- primary, since its start, has lost nothing: the sale was moved to it, or it was restarted.
local function fenced()
  local told = redis.pcall('INFO', 'replication')
  local here = type(told) == 'string' and string.match(told, 'master_replid:(%x+)')
  if here and here ~= sale.home then
    if sale.home and string.match(told, 'master_replid2:0*[1-9a-f]') then
      sale.fenced_ms = whole(now + FENCE_MS)
      redis.call('HSET', SALE, 'fenced_ms', sale.fenced_ms)
    end
    redis.call('HSET', SALE, 'home', here)
  end
  return now < tonumber(sale.fenced_ms or '0')
end

-- Returns an answer if nothing may be decided. A store that stands behind what was seen of it has
-- lost moves: it freezes itself until it is rebuilt.
local function begin()
  if not all_typed() then return redis.error_reply('WRONGTYPE a key of the sale holds another kind of value') end
  load_sale()
  if not sale.epoch then return {'missing'} end
  local known, seen = tonumber(ARGV[2]), tonumber(string.match(ARGV[3], '^%d+'))
  local epoch = tonumber(sale.epoch)
  if known and known < epoch then return {'stale', sale.epoch} end
  local waits = string.sub(ARGV[3], -1) == '!' and fenced()
  if known and (known > epoch or seen > seq) and sale.state ~= 'frozen' then
    sale.state, sale.reason, sale.told = 'frozen', 'the store lost moves', whole(tonumber(sale.told) + 1)
    redis.call('HSET', SALE, 'state', sale.state, 'reason', sale.reason, 'told', sale.told)
    tell({sale.epoch, sale.seq, sale.told, whole(now), sale.state, sale.version, ''}, '')
  end
  if sale.state == 'frozen' then return {'frozen', sale.reason or '', sale.epoch, sale.seq} end
  if waits then return {'frozen', 'after a failover, until it is known what was lost', sale.epoch, sale.seq} end
  turn()
  return nil
end

local function parse_units(sku, text)
  local unit, number = {sku = sku}, 0
  for value in string.gmatch(text, '%d+') do
    number = number + 1
    unit[COUNTERS[number]] = tonumber(value)
  end
  return unit
end

-- The counters of one sku, nil if it is not in the sale.
local function units(sku)
  local unit = stock[sku]
  if unit == nil then
    local text = redis.call('HGET', STOCK, sku)
    unit = text and parse_units(sku, text) or false
    stock[sku] = unit
  end
  return unit or nil
end

local function change(unit, counter, delta)
  local before = unit[counter]
  unit[counter] = before + delta
  touched[unit.sku] = unit
  if counter == 'available' and not unit.was then unit.was = before end
end

-- Skus and quantities; ids of coupons are never taken for one, they have no '*'.
local function lines_of(ask)
  local lines = {}
  for sku, qty in string.gmatch(ask, '([%w_-]+)%*(%d+)') do
    lines[#lines + 1] = {sku = sku, qty = tonumber(qty)}
  end
  return lines
end

local function split(text, separator)
  local parts = {}
  for part in string.gmatch(text .. separator, '([^' .. separator .. ']*)' .. separator) do
    parts[#parts + 1] = part
  end
  return parts
end

-- An order and its state: {text, user, lines, amount, state, changed, reserved, expires, paid, payment}.
local function order_of(tail)
  local text = redis.call('HGET', ORDERS, tail)
  if not text then return nil end
  local part = split(text, FIELD)
  local order = {text = text, tail = tail, user = part[1], lines = lines_of(part[3]), amount = part[4]}
  local state = redis.call('HGET', STATES, tail)
  if state then
    local now_is = split(state, ' ')
    order.state, order.reserved, order.expires, order.paid, order.payment = now_is[1], now_is[3], now_is[4], now_is[5], now_is[6]
    order.state_text = state
  elseif part[8] ~= '0' then
    order.state, order.reserved, order.expires, order.paid, order.payment = 'queued', '0', '0', '0', '-'
  else
    order.state, order.reserved, order.expires, order.paid, order.payment = 'reserved', part[6], part[7], '0', '-'
  end
  order.state_text = order.state_text
    or table.concat({order.state, part[6], order.reserved, order.expires, order.paid, order.payment}, ' ')
  return order
end

local function become(order, state, kind, extra)
  order.state = state
  order.state_text = table.concat({state, whole(now), order.reserved, order.expires, order.paid, order.payment}, ' ')
  redis.call('HSET', STATES, order.tail, order.state_text)
  move(kind, order.tail, order.state_text, extra, order.text)
end

local function let_go(order)
  for _, line in ipairs(order.lines) do
    local field = line.sku .. FIELD .. order.user
    if redis.call('HINCRBY', BUYERS, field, -line.qty) <= 0 then redis.call('HDEL', BUYERS, field) end
  end
end

local function waiting_count(unit)
  return redis.call('ZCOUNT', WAITING, whole(unit.index * INDEX_STEP), '(' .. whole((unit.index + 1) * INDEX_STEP))
end

-- Available units go to the head of the waitlist, in order, as holds with a deadline of their own.
local function serve(unit, most)
  local served = 0
  while sale.state == 'open' and unit.available > 0 and served < most do
    local first, beyond = whole(unit.index * INDEX_STEP), '(' .. whole((unit.index + 1) * INDEX_STEP)
    local head = redis.call('ZRANGEBYSCORE', WAITING, first, beyond, 'LIMIT', 0, 1)[1]
    if not head then break end
    redis.call('ZREM', WAITING, head)
    local order = order_of(head)
    change(unit, 'available', -1)
    change(unit, 'reserved', 1)
    order.reserved, order.expires = whole(now), whole(now + tonumber(sale.offer_ms))
    redis.call('ZADD', DEADLINES, whole(now + tonumber(sale.offer_ms) + tonumber(sale.grace_ms)), head)
    become(order, 'reserved', 'offered', '')
    served = served + 1
  end
  return served
end

-- A hold ends: its units go to the waitlist, then to stock.
local function release(order, state, extra)
  redis.call('ZREM', DEADLINES, order.tail)
  let_go(order)
  become(order, state, state, extra)
  for _, line in ipairs(order.lines) do
    local unit = units(line.sku)
    change(unit, 'reserved', -line.qty)
    change(unit, 'available', line.qty)
    serve(unit, math.min(line.qty, SERVED_MOST))
  end
end

local function leave_waitlist(order, state, extra)
  redis.call('ZREM', WAITING, order.tail)
  let_go(order)
  become(order, state, state, extra)
end

local function counters_of(unit)
  local values = {}
  for number, counter in ipairs(COUNTERS) do values[number] = whole(unit[counter]) end
  return table.concat(values, ' ')
end

-- Write back what changed, append the moves to the ledger, tell everybody. Nothing here may fail.
local function commit()
  if #moves == 0 and #marks == 0 then
    -- A write all the same: whoever waits for its connection's writes to be on disk waits for the earlier ones too.
    redis.call('HSET', SALE, 'clock_ms', whole(now))
    return
  end
  local list, shown = {}, {}
  for sku, unit in pairs(touched) do
    list[#list + 1] = sku
    list[#list + 1] = counters_of(unit)
    if unit.was and (unit.was == 0) ~= (unit.available == 0) then sale.version = whole(seq) end
  end
  if #list > 0 then redis.call('HSET', STOCK, unpack(list)) end
  local anybody = redis.call('ZCARD', WAITING) > 0
  for sku, unit in pairs(stock) do
    if unit then
      local for_all = (anybody and waiting_count(unit) > 0) and 0 or unit.available
      shown[#shown + 1] = sku .. '=' .. whole(for_all)
    end
  end
  sale.seq, sale.told, sale.clock_ms = whole(seq), whole(tonumber(sale.told) + 1), whole(now)
  redis.call('HSET', SALE, 'seq', sale.seq, 'told', sale.told, 'clock_ms', sale.clock_ms, 'state', sale.state,
    'version', sale.version, 'reason', sale.reason, 'starts_at_ms', sale.starts_at_ms, 'ends_at_ms', sale.ends_at_ms)
  local rows = table.concat(moves, ROW)
  if #moves > 0 then redis.call('XADD', LEDGER, '*', 'epoch', sale.epoch, 'moves', rows) end
  tell({sale.epoch, sale.seq, sale.told, sale.clock_ms, sale.state, sale.version, table.concat(shown, ',')}, rows)
end

-- Refusals are kept in two generations; the older one goes when the newer is full or old enough.
local function keep_refusals(list, kept_ms, kept_most)
  local generation, since = tonumber(sale.refused_generation or '0'), tonumber(sale.refused_since_ms or '0')
  if now - since > kept_ms or redis.call('HLEN', KEYS[5 + generation]) >= kept_most then
    generation = since > 0 and 1 - generation or 0
    redis.call('UNLINK', KEYS[5 + generation])
    redis.call('HSET', SALE, 'refused_generation', whole(generation), 'refused_since_ms', whole(now))
  end
  for from = 1, #list, 2000 do
    redis.call('HSET', KEYS[5 + generation], unpack(list, from, math.min(from + 1999, #list)))
  end
end

local function answer(...)
  return {'ok', whole(now), sale.epoch, whole(seq), sale.told, ...}
end

-- The whole sale for whoever steers or reads it: header, terms, then sku, counters, waiting per sku.
local function view()
  local rows = answer(sale.state, sale.version, sale.starts_at_ms, sale.ends_at_ms, sale.hold_ms, sale.room, sale.currency, sale.reason)
  for sku in string.gmatch(sale.skus, '[^,]+') do
    local unit = units(sku)
    if unit then -- it has none while the sale is being rebuilt
      rows[#rows + 1] = sku
      rows[#rows + 1] = counters_of(unit)
      rows[#rows + 1] = waiting_count(unit)
    end
  end
  return rows
end
