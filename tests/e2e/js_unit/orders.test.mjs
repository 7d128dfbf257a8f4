import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Orders } from '../../../server/pages/static/orders.js';

const order = (id, state, more = {}) => ({
  id, sale: 's', room: 'r', sku: 'a', qty: 1, items: [{ sku: 'a', qty: 1, price_minor: 100 }],
  amount_minor: 100, currency: 'CNY', state, request_id: id, placed_at_ms: 1, reserved_at_ms: 1,
  expires_at_ms: 1_000, durability: 'always', ...more,
});

function makeOrders() {
  const orders = new Orders();
  const heard = [];
  orders.on('change', () => heard.push('change'));
  orders.on('turn', ({ order: after, before }) => heard.push(`${before} ${after.state}`));
  return { orders, heard };
}

test('an order goes through its life, and each turn is told once', () => {
  const { orders, heard } = makeOrders();
  for (const state of ['queued', 'reserved', 'paid', 'refunded']) {
    orders.take(order('1', state));
    orders.take(order('1', state)); // the answer and the event say the same
  }
  assert.deepEqual(heard, ['change', 'change', 'queued reserved', 'change', 'reserved paid', 'change', 'paid refunded']);
});

test('a late or replayed answer does not turn an order back', () => {
  for (const [now, late] of [['paid', 'reserved'], ['expired', 'reserved'], ['reserved', 'queued'], ['refunded', 'paid'], ['cancelled', 'queued']]) {
    const { orders } = makeOrders();
    orders.take(order('1', now));
    assert.equal(orders.take(order('1', late)), false);
    assert.equal(orders.get('1').state, now);
  }
});

test('what waits for the buyer comes first, the most urgent ahead', () => {
  const { orders } = makeOrders();
  orders.take(order('paid', 'paid', { placed_at_ms: 9 }));
  orders.take(order('queue', 'queued', { expires_at_ms: null, placed_at_ms: 8 }));
  orders.take(order('later', 'reserved', { expires_at_ms: 900 }));
  orders.take(order('soon', 'reserved', { expires_at_ms: 300 }));
  assert.deepEqual(orders.open().map(({ id }) => id), ['soon', 'later', 'queue']);
  assert.deepEqual(orders.all().map(({ id }) => id), ['paid', 'queue', 'soon', 'later']);
});

test('held, paid and waiting units count against the limit; those of ended orders do not', () => {
  const { orders } = makeOrders();
  const basket = [{ sku: 'a', qty: 2, price_minor: 1 }, { sku: 'b', qty: 5, price_minor: 1 }];
  orders.take(order('1', 'reserved', { items: basket }));
  orders.take(order('2', 'paid'));
  orders.take(order('3', 'queued'));
  for (const state of ['cancelled', 'expired', 'refunded']) orders.take(order(state, state));
  orders.take(order('other', 'paid', { sale: 'another' }));
  assert.equal(orders.unitsOf('s', 'a'), 4);
  assert.equal(orders.unitsOf('s', 'b'), 5);
  assert.equal(orders.unitsOf('s', 'c'), 0);
});

test('somebody else’s orders are forgotten', () => {
  const { orders, heard } = makeOrders();
  orders.clear();
  assert.deepEqual(heard, []);
  orders.take(order('1', 'paid'));
  orders.clear();
  assert.deepEqual([orders.all(), orders.get('1')], [[], null]);
});

test('the oldest ended orders are let go at the bound, open ones never', () => {
  const { orders } = makeOrders();
  orders.take(order('open', 'reserved', { placed_at_ms: 0 }));
  for (let n = 1; n <= 320; n += 1) orders.take(order(`o${n}`, 'paid', { placed_at_ms: n }));
  assert.equal(orders.all().length, 300);
  assert.ok(orders.get('open'));
  assert.equal(orders.get('o1'), null);
});
