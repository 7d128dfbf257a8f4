import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatTimeLeft } from '../../../server/pages/static/format.js';
import {
  byUrgency,
  deadlineOf,
  offerOf,
  phaseOf,
  reasonOf,
  unitsAllowed,
  unitsLeft,
  unitsOnSale,
  worthShowing,
} from '../../../server/pages/static/sale-rules.js';

const item = (more = {}) => ({ sku: 'a', product: 'p', title: 'A', price_minor: 100, per_user_max: 2, stock: 10, available: 10, waiting: 0, ...more });
const sale = (more = {}) => ({ id: 's', room: 'r', state: 'open', starts_at_ms: null, ends_at_ms: null, hold_seconds: 600, currency: 'CNY', reason: '', version: 1, items: [item()], ...more });

test('a countdown opens by itself at its instant, and no invitation comes too early', () => {
  const coming = sale({ state: 'countdown', starts_at_ms: 5_000 });
  assert.equal(phaseOf(coming, 4_999), 'countdown');
  assert.equal(phaseOf(coming, 5_000), 'open');
  assert.equal(phaseOf(coming, 5_000, 80), 'countdown');
  assert.equal(phaseOf(coming, 5_080, 80), 'open');
  assert.equal(phaseOf(coming, 5_250, 60_000), 'open', 'a bad line delays by a quarter second at most');
});

test('a countdown without units opens as sold out, and one whose end has passed is closed', () => {
  const empty = [item({ available: 0 })];
  assert.equal(phaseOf(sale({ state: 'countdown', starts_at_ms: 1, items: empty }), 2), 'sold_out');
  assert.equal(phaseOf(sale({ state: 'countdown', starts_at_ms: 1, ends_at_ms: 2 }), 2), 'closed');
});

test('the end of a sale is the clock’s, not the news’', () => {
  const ending = sale({ ends_at_ms: 9_000 });
  assert.equal(phaseOf(ending, 8_999), 'open');
  assert.equal(phaseOf(ending, 9_000), 'closed');
});

test('what is left decides between open and sold out, whichever news came last', () => {
  assert.equal(phaseOf(sale({ state: 'sold_out' }), 0), 'open');
  assert.equal(phaseOf(sale({ items: [item({ available: 0 })] }), 0), 'sold_out');
  assert.equal(phaseOf(sale({ items: [item({ available: 0 }), item({ sku: 'b' })] }), 0), 'open');
});

test('staff’s states hold whatever is left', () => {
  for (const state of ['armed', 'paused', 'closed', 'frozen']) {
    assert.equal(phaseOf(sale({ state }), 0), state);
    assert.equal(phaseOf(sale({ state, items: [item({ available: 0 })] }), 0), state);
  }
});

test('each phase counts down to its own instant', () => {
  const timed = sale({ starts_at_ms: 1, ends_at_ms: 2 });
  assert.deepEqual(
    ['armed', 'countdown', 'open', 'sold_out', 'paused', 'closed'].map((phase) => deadlineOf(timed, phase)),
    [null, 1, 2, 2, 2, null],
  );
});

test('who enters sees first what can be bought first', () => {
  const sales = ['closed', 'armed', 'paused', 'countdown', 'open'].map((state) => sale({ id: state, state, starts_at_ms: 9 }));
  assert.deepEqual(byUrgency(sales, 0).map(({ id }) => id), ['open', 'countdown', 'paused', 'armed', 'closed']);
  assert.equal(sales[0].id, 'closed', 'the list itself stays as it is');
});

test('a sale that is over is shown only when there is no other', () => {
  const over = [sale({ id: 'a', state: 'closed' }), sale({ id: 'b', ends_at_ms: 5 })];
  assert.deepEqual(worthShowing(over, 9).map(({ id }) => id), ['b']);
  assert.deepEqual(worthShowing([...over, sale({ id: 'c', state: 'armed' }), sale({ id: 'd' })], 9).map(({ id }) => id), ['d', 'c']);
  assert.deepEqual(worthShowing([], 9), []);
});

test('a reason is told while a sale does not go on, and not after', () => {
  const told = ['armed', 'open', 'paused', 'closed', 'frozen'].map((phase) => reasonOf(sale({ reason: 'r' }), phase));
  assert.deepEqual(told, ['', '', 'r', 'r', 'r']);
});

test('an item is offered, waited for or refused as its state, its stock and the limit say', () => {
  assert.equal(offerOf(item(), 'open', 0), 'buy');
  assert.equal(offerOf(item(), 'open', 2), 'limit');
  assert.equal(offerOf(item({ available: 0 }), 'open', 0), 'wait');
  assert.equal(offerOf(item({ available: 0 }), 'sold_out', 1), 'wait');
  assert.equal(offerOf(item({ available: 0 }), 'sold_out', 2), 'limit');
  for (const phase of ['armed', 'countdown', 'paused', 'closed', 'frozen']) {
    assert.equal(offerOf(item(), phase, 0), 'not');
  }
});

test('nobody may ask for more than the limit leaves or the stock holds', () => {
  assert.equal(unitsAllowed(item(), 0), 2);
  assert.equal(unitsAllowed(item(), 1), 1);
  assert.equal(unitsAllowed(item(), 5), 0);
  assert.equal(unitsAllowed(item({ available: 1 }), 0), 1);
});

test('the units of a sale are those of all its items', () => {
  const two = sale({ items: [item(), item({ sku: 'b', stock: 5, available: 4 })] });
  assert.deepEqual([unitsLeft(two), unitsOnSale(two)], [14, 15]);
});

test('time left is written in whole seconds, rounded up, and ends at zero', () => {
  assert.deepEqual(
    [600_000, 59_001, 1, 0, -5_000, 3_600_000, 100 * 3_600_000].map(formatTimeLeft),
    ['10:00', '01:00', '00:01', '00:00', '00:00', '1:00:00', '100:00:00'],
  );
});
