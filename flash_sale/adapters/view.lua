-- view: the whole sale at one instant; changes nothing. What the clock has decided is shown as decided.
load_sale()
if not sale.epoch then return {'missing'} end
if sale.state ~= 'frozen' then turn() end
seq = tonumber(sale.seq)
return view()
