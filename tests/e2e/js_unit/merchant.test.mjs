import assert from 'node:assert/strict';
import { test } from 'node:test';

import { MERCHANT_MESSAGES } from '../../../server/pages/static/merchant-messages.js';
import {
  formatInstant,
  formatMoney,
  formatSpan,
  fromLocalInput,
  minorDigits,
  parseMoney,
  parseWhole,
  plainMoney,
  toLocalInput,
} from '../../../server/pages/static/merchant-numbers.js';
import {
  actsOf,
  booksBySku,
  booksVerdict,
  fieldAndWhy,
  goodsOf,
  hashOf,
  linesOf,
  moved,
  ORDER_STATES,
  orderActsOf,
  personOf,
  placeOf,
  queryText,
  ROOM_STATES,
  SALE_STATES,
  VIEWS,
} from '../../../server/pages/static/merchant-rules.js';
import { LANGUAGES, MESSAGES } from '../../../server/pages/static/messages.js';

test('the desk speaks both languages, fills in the same names, and takes no key of other pages', () => {
  assert.deepEqual(Object.keys(MERCHANT_MESSAGES), LANGUAGES);
  const { 'zh-CN': zh, en } = MERCHANT_MESSAGES;
  assert.deepEqual(Object.keys(zh), Object.keys(en));
  const names = (message) => (message.match(/\{\w+\}/g) ?? []).sort();
  for (const key of Object.keys(en)) {
    assert.deepEqual(names(zh[key]), names(en[key]), key);
    assert.notEqual(en[key].trim(), '', key);
    assert.notEqual(zh[key].trim(), '', key);
    assert.equal(MESSAGES.en[key], undefined, key);
  }
});

test('every state and every view has a name in both languages', () => {
  const keys = [
    ...SALE_STATES.map((state) => `merchant.sale.state.${state}`),
    ...VIEWS.map((view) => `merchant.nav.${view}`),
  ];
  for (const key of keys) assert.ok(MERCHANT_MESSAGES.en[key], key);
  for (const state of ORDER_STATES) assert.ok(MESSAGES.en[`order.state.${state}`], state);
  for (const state of ROOM_STATES) assert.ok(MESSAGES.en[`state.${state}`], state);
});

test('money keeps all its digits, also where numbers lose them', () => {
  assert.equal(formatMoney(12_800, 'CNY', 'zh-CN'), '¥128.00');
  assert.equal(formatMoney(5, 'USD', 'en'), '$0.05');
  assert.equal(formatMoney(500, 'JPY', 'en'), '¥500');
  assert.equal(formatMoney(9_007_199_254_740_991, 'USD', 'en'), '$90,071,992,547,409.91');
  assert.equal(formatMoney(123_456_789_012_345_678_901n, 'USD', 'en'), '$1,234,567,890,123,456,789.01');
  assert.equal(formatMoney(100, 'not a currency', 'en'), '1.00 not a currency');
  assert.equal(minorDigits('BHD'), 3);
});

test('money that is typed comes back as minor units, or not at all', () => {
  assert.equal(parseMoney('29.9', 'CNY'), 2_990);
  assert.equal(parseMoney(' 1,234.50 ', 'CNY'), 123_450);
  assert.equal(parseMoney('０.０５', 'USD'), 5);
  assert.equal(parseMoney('500', 'JPY'), 500);
  assert.equal(parseMoney('1.234', 'BHD'), 1_234);
  assert.equal(parseMoney('007', 'CNY'), 700);
  for (const bad of ['', '12,50', '1,23,4', '-1', '1.234', '1e3', '.5', '¥5', '99999999999999', 'free']) {
    assert.equal(parseMoney(bad, 'CNY'), null, bad);
  }
  assert.equal(parseMoney('1.5', 'JPY'), null);
});

test('what was typed as money is shown again as it was', () => {
  for (const currency of ['CNY', 'JPY', 'BHD']) {
    for (const minor of [0, 1, 99, 100, 123_456, 1_000_000_000_000]) {
      assert.equal(parseMoney(plainMoney(minor, currency), currency), minor);
    }
  }
});

test('whole numbers keep to their bounds', () => {
  assert.equal(parseWhole('12', 1, 12), 12);
  assert.equal(parseWhole('１2', 0), 12);
  for (const bad of ['0', '13', '1.0', '', '-1', 'x', '1e1']) assert.equal(parseWhole(bad, 1, 12), null, bad);
});

test('a time goes into its field and back, to the minute', () => {
  const at = new Date(2031, 1, 3, 4, 5).getTime();
  assert.equal(toLocalInput(at), '2031-02-03T04:05');
  assert.equal(fromLocalInput(toLocalInput(at)), at);
  assert.equal(toLocalInput(null), '');
  for (const bad of ['', 'soon', '2031-02-03']) assert.equal(fromLocalInput(bad), null, bad);
});

test('a time is local, to the second, with its year only when that is another one', () => {
  const now = new Date(2031, 5, 1).getTime();
  const english = formatInstant(new Date(2031, 1, 3, 4, 5, 9).getTime(), 'en', now);
  assert.match(english, /Feb 3.*04:05:09/);
  assert.doesNotMatch(english, /2031/);
  assert.match(formatInstant(new Date(2030, 1, 3).getTime(), 'zh-CN', now), /2030年2月3日.*00:00:00/);
});

test('spans are said in the largest unit that fits', () => {
  assert.equal(formatSpan(600, 'en'), '10 minutes');
  assert.equal(formatSpan(90, 'en'), '90 seconds');
  assert.equal(formatSpan(7_200, 'zh-CN'), '2小时');
});

test('what may be done follows from the state', () => {
  assert.deepEqual(actsOf('draft'), ['arm', 'edit']);
  assert.deepEqual(actsOf('paused'), ['resume', 'restock', 'close']);
  for (const end of ['closed', 'frozen']) assert.deepEqual(actsOf(end), []);
  assert.deepEqual(orderActsOf('paid'), ['refund']);
  assert.deepEqual(orderActsOf('reserved'), ['cancel']);
  for (const end of ['cancelled', 'expired', 'refunded']) assert.deepEqual(orderActsOf(end), []);
});

test('goods are counted and valued exactly', () => {
  const items = [
    { stock: 3, available: 1, price_minor: 9_900 },
    { stock: 1_000_000_000, available: 0, price_minor: 1_000_000_000_000 },
  ];
  assert.deepEqual(goodsOf(items), { skus: 2, units: 1_000_000_003, worth: 1_000_000_000_000_000_029_700n });
  assert.deepEqual(goodsOf(items, (item) => item.available), { skus: 2, units: 1, worth: 9_900n });
  assert.equal(linesOf({ items: [{ sku: 'mug', qty: 2 }, { sku: 'tea', qty: 1 }] }), 'mug × 2, tea × 1');
});

const side = (sku, numbers) => ({ sku, initial: 10, available: 4, reserved: 1, sold: 5, refunded: 0, waiting: 0, ...numbers });

test('books are compared counter by counter, and a missing side is not a difference', () => {
  const [mug, tea] = booksBySku({
    redis: { items: [side('mug')] },
    ledger: { items: [side('mug', { sold: 4, reserved: 2, available: 4 }), side('tea')] },
  });
  assert.equal(mug.balanced, true);
  assert.deepEqual(mug.counters.filter(({ differs }) => differs).map(({ name }) => name), ['reserved', 'sold']);
  assert.equal(tea.balanced, null);
  assert.ok(tea.counters.every(({ live, differs }) => live === null && !differs));
  assert.equal(booksBySku({ redis: { items: [side('mug', { sold: 6 })] }, ledger: { items: [] } })[0].balanced, false);
});

test('the verdict on the books', () => {
  const redis = { items: [] };
  assert.equal(booksVerdict({ agree: true, lag: 0, redis }), 'agree');
  assert.equal(booksVerdict({ agree: false, lag: 0, redis }), 'differ');
  assert.equal(booksVerdict({ agree: null, lag: 3, redis }), 'behind');
  assert.equal(booksVerdict({ agree: null, lag: 0, redis: null }), 'unknown');
});

test('addresses lead to places and back', () => {
  const place = { view: 'orders', id: 'a/b.c?d', filters: { state: 'paid', user: '小 雨' } };
  assert.deepEqual(placeOf(hashOf(place.view, place.id, place.filters)), place);
  assert.equal(hashOf('books'), '#/books');
  for (const unknown of ['', '#', '#/', '#/nowhere/x', '#constructor']) {
    assert.deepEqual(placeOf(unknown), { view: 'sales', id: '', filters: {} }, unknown);
  }
  assert.equal(placeOf('#/sales/%zz').id, '');
  assert.equal(queryText({ sale: '', state: null, user: undefined }), '');
});

test('a token greets its holder and is never trusted', () => {
  const payload = Buffer.from(JSON.stringify({ sub: 'm1', info: { name: '青岚' } })).toString('base64url');
  assert.deepEqual(personOf(`x.${payload}.y`), { id: 'm1', name: '青岚' });
  for (const bad of ['', 'x', 'x.%.y', 'x.e30.y']) assert.equal(personOf(bad).name, '');
});

test('a refusal names its field', () => {
  assert.deepEqual(fieldAndWhy('items.0.stock: must be 1'), { field: 'items.0.stock', why: 'must be 1' });
  assert.deepEqual(fieldAndWhy('the database is away'), { field: '', why: 'the database is away' });
});

test('an entry moves within its list and stays at the ends', () => {
  assert.deepEqual(moved(['a', 'b', 'c'], 0, 1), ['b', 'a', 'c']);
  assert.deepEqual(moved(['a', 'b'], 0, -1), ['a', 'b']);
  assert.deepEqual(moved(['a', 'b'], 1, 1), ['a', 'b']);
});
