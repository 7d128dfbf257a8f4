-- standing: how far the writing of visits has come.
-- KEYS  1 log
-- Returns {now_ms, entries, id of the oldest entry or ''}; now_ms is the clock that receives pieces.
local now = redis.call('TIME')
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
return {
  now[1] * 1000 + math.floor(now[2] / 1000),
  redis.call('XLEN', KEYS[1]),
  oldest[1] and oldest[1][1] or '',
}
