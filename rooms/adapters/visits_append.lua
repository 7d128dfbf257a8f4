-- append: put pieces of visits behind the others, all of them or none.
-- KEYS  1 log: a stream, one entry per piece; what is written into SQL is trimmed away
-- ARGV  1 entries_max > 0, then one piece each
-- Returns 'stored', or 'full' when the log would hold more than entries_max.
if redis.call('XLEN', KEYS[1]) + #ARGV - 1 > tonumber(ARGV[1]) then
  return 'full'
end
for i = 2, #ARGV do
  redis.call('XADD', KEYS[1], '*', 'p', ARGV[i])
end
return 'stored'
