-- append: decide, store and announce one worker's batch of a room, in order.
-- KEYS  1 meta {epoch, top, likes, now_ms, chat_tokens, chat_at_ms, buyers_at_ms}  2 stream  3 fields
--       4 mutes  5 bans  6 pace  7 receipt of this worker  8 comment_likes  9 buyers: user, by last order
--       10 turns: user -> shown_at_ms overlooked_at_ms, then one key per comment with a cid and per
--       comment like, in order of the entries
-- ARGV  1 channel  2 seq > 0  3 history: see below  4 stream length max  5 receipt and cid ttl_s
--       6 comment likes ttl_s  7 chat per second  8 chat burst  9 likes to add
--       10 percent of the burst kept for buyers  11 for how long after a comment of theirs, ms
--       12 overlooked_ms  13 buyer rank_s  14 buyers max, then 12 per entry:
--       kind event|comment|like|pulse|buyers, lane, name, subject, author, payload, field, value, version,
--       stamp 0|1 or interval_ms, burst, cid fingerprint or ''
-- The last key is the queue of messages that are announced later (publish.lua).
-- History: four words. The epoch for a new one; the epoch and top that this worker knows; when to announce:
-- `at_once`, `later` (when a replica has it), or `watched`: at once, on a server that replicas may follow.
-- A new history begins, with the entries of the old one, where the store is behind what the worker knows,
-- and, watched, on a server that was promoted since the last append: what it lacks, somebody may have seen.
-- Returns epoch, top, now_ms, likes, number of the message that is announced later or 0, then one
-- "word:argument" per entry; each word is a value of rooms.log.Verdict. A repeated seq returns the
-- first answer and changes nothing.
-- Who may speak is decided first, then who is shown, then offsets are given in order of the entries:
-- they grow by exactly 1. All checks precede the first write: Redis does not roll back.
local FIELDS, HEADER = 12, 14
local SEPARATOR = '\31'
local seq = tonumber(ARGV[2])
local receipt = redis.call('GET', KEYS[7])
if receipt then
  local earlier = cmsgpack.unpack(receipt)
  if earlier[1] == seq then
    table.remove(earlier, 1)
    return earlier
  end
  if earlier[1] > seq then return redis.error_reply('STALESEQ a later batch of this worker was stored') end
end

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'top', 'likes', 'now_ms', 'chat_tokens', 'chat_at_ms',
  'buyers_at_ms')
local fresh, known_epoch, known_top, announcing = string.match(ARGV[3], '^(%S+) (%S*) (%d+) (%S+)$')
local epoch = meta[1] or fresh
local top = tonumber(meta[2] or '0')
if epoch == known_epoch and top < tonumber(known_top) then epoch = fresh end
local server_line
if announcing == 'watched' then
  local replication = redis.call('INFO', 'replication')
  local earlier = redis.call('HGET', KEYS[1], 'line') -- of replication, when something was stored last
  server_line = string.match(replication, 'master_replid:(%x+)')
  local promoted = not string.find(replication, 'master_replid2:0+%c')
  if promoted and meta[1] and earlier ~= server_line then epoch = fresh end
  if earlier == server_line then server_line = nil end
end
local likes = tonumber(meta[3] or '0')
local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local now = math.max(clock, tonumber(meta[4] or '0')) -- a clock set back never reorders the room
local chat_rate, chat_burst = tonumber(ARGV[7]), tonumber(ARGV[8])
local chat_at = tonumber(meta[6] or '0')
local tokens = math.min(chat_burst, tonumber(meta[5] or ARGV[8]) + (now - chat_at) * chat_rate / 1000)

local buyers_at = tonumber(meta[7] or '0')
local kept_most = math.floor(chat_burst * tonumber(ARGV[10]) / 100)

local outcomes, lines, stored, pulses = {}, {}, {}, {}
local pace, cids, fields, field_versions, liked = {}, {}, {}, {}, {}
local contenders, turns = {}, {}
local next_key = 11
local anybody_banned = redis.call('EXISTS', KEYS[5]) == 1
local anybody_muted = redis.call('EXISTS', KEYS[4]) == 1

local function whole(number) return string.format('%.0f', number) end

local function store(lane, name, subject, author, payload, field, value)
  top = top + 1
  local line = table.concat({lane, name, subject, author, payload, field, value}, SEPARATOR)
  lines[#lines + 1] = line
  stored[#stored + 1] = {whole(top) .. '-0', line}
  return 'stored:' .. whole(top)
end

local function stamped(payload)
  local comma = payload == '{}' and '' or ','
  return string.sub(payload, 1, -2) .. comma .. '"at_ms":' .. whole(now) .. '}'
end

local function refused(author, interval, burst)
  if anybody_banned and redis.call('HEXISTS', KEYS[5], author) == 1 then return 'banned:' end
  local muted_until = anybody_muted and tonumber(redis.call('HGET', KEYS[4], author) or '0') or 0
  if muted_until > now then return 'muted:' .. whole(muted_until) end
  if interval > 0 then
    local due = math.max(pace[author] or tonumber(redis.call('HGET', KEYS[6], author) or '0'), now)
    local wait = due - (burst - 1) * interval - now
    if wait > 0 then return 'too_fast:' .. whole(wait) end
    pace[author] = due + interval
  end
  return nil
end

-- The deciders answer with a word, or with false for what is stored if it is shown.

local function comment(at, index)
  local subject, author = ARGV[at + 3], ARGV[at + 4]
  local interval, fingerprint = tonumber(ARGV[at + 9]), ARGV[at + 11]
  local cid_key
  if fingerprint ~= '' then
    cid_key = KEYS[next_key]
    next_key = next_key + 1
    local earlier = cids[cid_key] or redis.call('GET', cid_key)
    if earlier then
      local same = string.sub(earlier, 1, #fingerprint + 1) == fingerprint .. SEPARATOR
      return same and 'replayed:' .. string.sub(earlier, #fingerprint + 2) or 'conflict:'
    end
  end
  local why = refused(author, interval, tonumber(ARGV[at + 10]))
  if why then return why end
  if cid_key then cids[cid_key] = fingerprint .. SEPARATOR .. subject end
  if interval > 0 then contenders[#contenders + 1] = {index = index, author = author} end
  return false
end

local function event(at)
  local field, value, changed = ARGV[at + 6], ARGV[at + 7], tonumber(ARGV[at + 8])
  if field ~= '' then
    local newest = field_versions[field] or tonumber(redis.call('HGET', KEYS[3], 'version:' .. field) or '0')
    if changed < newest then return 'superseded:' end
    fields[field] = value
    field_versions[field] = changed
  end
  return false
end

local function like(at)
  local key = KEYS[next_key]
  next_key = next_key + 1
  local subject, author = ARGV[at + 3], ARGV[at + 4]
  if anybody_banned and redis.call('HEXISTS', KEYS[5], author) == 1 then return 'banned:' end
  local entry = liked[key] or {subject = subject, count = redis.call('SCARD', key), new = {}}
  liked[key] = entry
  if not entry.new[author] and redis.call('SISMEMBER', key, author) == 0 then
    entry.new[author] = true
    entry.count = entry.count + 1
  end
  return 'liked:' .. whole(entry.count)
end

local function pulse(at)
  pulses[#pulses + 1] = ARGV[at + 2] .. SEPARATOR .. ARGV[at + 5]
  return 'sent:'
end

local new_buyers = {}
local function buyers(at)
  for user in string.gmatch(ARGV[at + 5], '[^' .. SEPARATOR .. ']+') do
    new_buyers[#new_buyers + 1] = whole(now)
    new_buyers[#new_buyers + 1] = user
  end
  return 'sent:'
end

local anybody_bought
local function turn_of(author)
  local turn = turns[author]
  if not turn then
    local shown, overlooked = string.match(redis.call('HGET', KEYS[10], author) or '0 0', '^(%d+) (%d+)$')
    local bought = anybody_bought and redis.call('ZSCORE', KEYS[9], author)
    turn = {shown = tonumber(shown), overlooked = tonumber(overlooked), comments = 0,
      buyer = bought and now - tonumber(bought) < tonumber(ARGV[13]) * 1000}
    turns[author] = turn
  end
  return turn
end

local function before(one, other)
  if one.first ~= other.first then return one.first end
  if one.nth ~= other.nth then return one.nth < other.nth end
  if one.shown ~= other.shown then return one.shown < other.shown end
  return one.index < other.index
end

-- Buyers and the long overlooked first, then everybody else; among equals who was not shown for longest.
-- While buyers talk, the others leave a part of the budget to them.
local function choose()
  anybody_bought = redis.call('EXISTS', KEYS[9]) == 1
  for _, one in ipairs(contenders) do
    local turn = turn_of(one.author)
    local waited = turn.overlooked > 0 and now - turn.overlooked >= tonumber(ARGV[12])
    one.turn, one.shown, one.nth = turn, turn.shown, turn.comments
    one.first = turn.buyer or (waited and turn.comments == 0) or false
    turn.comments = turn.comments + 1
    if turn.buyer then buyers_at = now end
  end
  local kept = buyers_at > 0 and now - buyers_at < tonumber(ARGV[11]) and kept_most or 0
  if tokens >= 1 then table.sort(contenders, before) end
  for _, one in ipairs(contenders) do
    if tokens - (one.first and 0 or kept) >= 1 then
      tokens = tokens - 1
      one.turn.shown, one.turn.overlooked, one.turn.changed = now, 0, true
    else
      outcomes[one.index] = 'sampled:'
      if one.turn.overlooked == 0 then one.turn.overlooked, one.turn.changed = now, true end
    end
  end
end

local decide = {event = event, comment = comment, like = like, pulse = pulse, buyers = buyers}
for at = HEADER + 1, #ARGV, FIELDS do
  local index = #outcomes + 1
  outcomes[index] = decide[ARGV[at]](at, index)
end
if tokens - #contenders >= kept_most then -- enough for everybody, whoever they are
  tokens = tokens - #contenders
  for _, one in ipairs(contenders) do turns[one.author] = {shown = now, overlooked = 0, changed = true} end
elseif #contenders > 0 then
  choose()
end
for index, outcome in ipairs(outcomes) do
  if not outcome then
    local at = HEADER + 1 + (index - 1) * FIELDS
    local payload = ARGV[at + 5]
    if ARGV[at] == 'comment' or ARGV[at + 9] == '1' then payload = stamped(payload) end
    outcomes[index] = store(ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], payload,
      ARGV[at + 6], ARGV[at + 7])
  end
end

local function remember(key, pairs_of_authors) -- for an hour after the last of them
  for from = 1, #pairs_of_authors, 1000 do
    redis.call('HSET', key, unpack(pairs_of_authors, from, math.min(from + 999, #pairs_of_authors)))
  end
  if #pairs_of_authors > 0 then redis.call('EXPIRE', key, 3600) end
end

-- From here on nothing may fail.
for _, entry in ipairs(stored) do redis.call('XADD', KEYS[2], entry[1], 'e', entry[2]) end
if #stored > 0 then redis.call('XTRIM', KEYS[2], 'MAXLEN', '=', ARGV[4]) end
likes = likes + tonumber(ARGV[9])
redis.call('HSET', KEYS[1], 'epoch', epoch, 'top', whole(top), 'likes', whole(likes), 'now_ms', whole(now),
  'chat_tokens', tostring(tokens), 'chat_at_ms', whole(now), 'buyers_at_ms', whole(buyers_at))
if server_line then redis.call('HSET', KEYS[1], 'line', server_line) end
for field, value in pairs(fields) do
  redis.call('HSET', KEYS[3], field, value, 'version:' .. field, whole(field_versions[field]))
end
local paces, changed = {}, {}
for author, due in pairs(pace) do paces[#paces + 1], paces[#paces + 2] = author, whole(due) end
for author, turn in pairs(turns) do
  if turn.changed then
    changed[#changed + 1], changed[#changed + 2] = author, whole(turn.shown) .. ' ' .. whole(turn.overlooked)
  end
end
remember(KEYS[6], paces)
remember(KEYS[10], changed)
if #new_buyers > 0 then
  for from = 1, #new_buyers, 1000 do
    redis.call('ZADD', KEYS[9], 'GT', unpack(new_buyers, from, math.min(from + 999, #new_buyers)))
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[9], '-inf', whole(now - tonumber(ARGV[13]) * 1000))
  redis.call('ZREMRANGEBYRANK', KEYS[9], 0, -1 - tonumber(ARGV[14]))
  redis.call('EXPIRE', KEYS[9], ARGV[13])
end
for key, value in pairs(cids) do redis.call('SET', key, value, 'EX', ARGV[5]) end
local counts = {}
for key, entry in pairs(liked) do
  local fresh = false
  for author in pairs(entry.new) do
    redis.call('SADD', key, author)
    fresh = true
  end
  if fresh then
    redis.call('EXPIRE', key, ARGV[6])
    redis.call('HSET', KEYS[8], entry.subject, whole(entry.count))
    counts[#counts + 1] = entry.subject .. '=' .. whole(entry.count)
  end
end
if #counts > 0 then redis.call('EXPIRE', KEYS[8], ARGV[6]) end

local number = 0
if #lines > 0 or #pulses > 0 or #counts > 0 or tonumber(ARGV[9]) > 0 then
  local header = {epoch, whole(top - #lines + 1), tostring(#lines), whole(likes), table.concat(counts, ',')}
  local message = {table.concat(header, SEPARATOR)}
  for _, one in ipairs(lines) do message[#message + 1] = one end
  for _, one in ipairs(pulses) do message[#message + 1] = one end
  if announcing == 'later' then
    number = redis.call('HINCRBY', KEYS[1], 'messages', 1)
    redis.call('RPUSH', KEYS[#KEYS], whole(number) .. '\n' .. table.concat(message, '\n'))
    redis.call('EXPIRE', KEYS[#KEYS], ARGV[5])
  else
    redis.call('SPUBLISH', ARGV[1], table.concat(message, '\n'))
  end
end
local answer = {epoch, whole(top), whole(now), whole(likes), whole(number)}
for _, outcome in ipairs(outcomes) do answer[#answer + 1] = outcome end
redis.call('SET', KEYS[7], cmsgpack.pack({seq, unpack(answer)}), 'EX', ARGV[5])
return answer
