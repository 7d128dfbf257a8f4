-- remember: keep answers 'sold_out' that a worker gave by its flag, unless something else was decided before.
-- ARGV  4 refusals kept for ms  5 refusals kept at most  6 a row per answer: tail, ask
local refusal = begin()
if refusal then return refusal end
local new = {}
for tail, ask in string.gmatch(ARGV[6], '([^\31]*)\31([^\30]*)\30') do
  local known = redis.call('HEXISTS', ORDERS, tail) + redis.call('HEXISTS', KEYS[5], tail) + redis.call('HEXISTS', KEYS[6], tail)
  if known == 0 then
    new[#new + 1] = tail
    new[#new + 1] = 'sold_out ' .. ask
  end
end
if #new > 0 then keep_refusals(new, tonumber(ARGV[4]), tonumber(ARGV[5])) end
commit()
return answer()
