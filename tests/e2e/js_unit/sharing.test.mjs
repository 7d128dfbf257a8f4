import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Coupons, isFor } from '../../../server/pages/static/coupons.js';
import { RoomState } from '../../../server/pages/static/room-state.js';
import { breakLines } from '../../../server/pages/static/share-lines.js';
import { settle } from './fake_socket.mjs';

const upTo = (length) => (line) => [...line].length <= length;

test('a text breaks between words and between wide characters, never inside a word that fits', () => {
  assert.deepEqual(breakLines('one two three', upTo(7), 5), ['one two', 'three']);
  assert.deepEqual(breakLines('手工陶瓷杯很好看', upTo(4), 5), ['手工陶瓷', '杯很好看']);
  assert.deepEqual(breakLines('杯 Handmade mug', upTo(10), 5), ['杯 Handmade', 'mug']);
});

test('a word longer than a line falls apart, and what is too much ends with an ellipsis', () => {
  assert.deepEqual(breakLines('abcdefgh', upTo(3), 5), ['abc', 'def', 'gh']);
  assert.deepEqual(breakLines('one two three four', upTo(5), 2), ['one', 'two…']);
  assert.deepEqual(breakLines('', upTo(5), 2), []);
});

test('a line does not begin with a closing mark', () => {
  assert.deepEqual(breakLines('真好看，喜欢', upTo(3), 5), ['真好看，', '喜欢']);
});

const COUPON = { id: 'c1', state: 'granted', currency: 'CNY', scope: {}, expires_at_ms: null, ends_at_ms: null };
const SALE = { id: 's', room: 'r', currency: 'CNY' };
const ITEM = { sku: 'mug-white', product: 'mug' };

test('a coupon is for what its scope names, and for everything when it names nothing', () => {
  const within = (scope) => isFor({ scope }, SALE, ITEM);
  assert.equal(within({}), true);
  assert.equal(within({ rooms: ['r'], sales: ['s'], products: ['mug'] }), true);
  assert.equal(within({ skus: ['mug-blue'], products: ['mug'] }), true, 'goods add up');
  assert.equal(within({ skus: ['mug-blue'] }), false);
  assert.equal(within({ rooms: ['other'] }), false);
  assert.equal(within({ sales: ['other'], products: ['mug'] }), false);
});

test('only coupons that can be spent now are offered', async () => {
  const coupons = new Coupons({
    ask: async () => ({
      coupons: [
        { ...COUPON, id: 'old', expires_at_ms: 99 },
        { ...COUPON, id: 'over', ends_at_ms: 100 },
        { ...COUPON, id: 'spent', state: 'spent' },
        { ...COUPON, id: 'held', state: 'held' },
        { ...COUPON, id: 'yen', currency: 'JPY' },
        { ...COUPON, id: 'good', expires_at_ms: 101 },
      ],
    }),
  });
  coupons.of('u');
  assert.equal(coupons.state, 'loading');
  await settle();
  assert.deepEqual(coupons.usable(SALE, ITEM, 100).map(({ id }) => id), ['good']);
  assert.deepEqual(coupons.all().map(({ id }) => id), ['old', 'over', 'yen', 'good', 'held', 'spent']);
});

test('another person’s coupons are forgotten, and an answer for them that comes late is dropped', async () => {
  const answers = [];
  const coupons = new Coupons({ ask: () => new Promise((resolve) => answers.push(resolve)) });
  coupons.of('u');
  coupons.of('v');
  answers[1]({ coupons: [{ ...COUPON, id: 'theirs' }] });
  answers[0]({ coupons: [{ ...COUPON, id: 'mine' }] });
  await settle();
  assert.deepEqual(coupons.all().map(({ id }) => id), ['theirs']);
  coupons.of('v');
  assert.deepEqual(coupons.all().map(({ id }) => id), ['theirs'], 'the same person came back');
  coupons.of('');
  assert.deepEqual([coupons.state, coupons.all()], ['nobody', []]);
});

test('a list of coupons that could not be had says so, and is there after the next try', async () => {
  let broken = true;
  const coupons = new Coupons({
    ask: async () => {
      if (broken) throw new Error('gone');
      return { coupons: [COUPON] };
    },
  });
  coupons.of('u');
  await settle();
  assert.equal(coupons.state, 'failed');
  broken = false;
  await coupons.fetch();
  assert.deepEqual([coupons.state, coupons.all().length], ['ready', 1]);
});

const onSale = (price) => ({ id: 's', room: 'r', currency: 'CNY', state: 'open', items: [{ sku: 'a', price_minor: price, stock: 5, available: 5 }, { sku: 'b', price_minor: 100, stock: 5, available: 5 }] });
const prices = (state) => state.sales[0].items.map(({ price_minor: price }) => price);

test('a reseller’s prices hold before and after the room is there, through every event', () => {
  const state = new RoomState();
  state.restore({ room: { id: 'r' }, sales: [onSale(1_000)] }, false);
  state.setMarkups({ a: 200 });
  assert.deepEqual(prices(state), [1_200, 100]);
  state.apply({ t: 'sale.stock', sale: 's', items: [{ sku: 'a', available: 3 }] });
  state.apply({ t: 'sale.state', sale: 's', state: 'paused' });
  assert.deepEqual(prices(state), [1_200, 100], 'added once');
  state.apply({ t: 'sale.state', ...onSale(900), sale: 's' });
  assert.deepEqual(prices(state), [1_100, 100]);
  state.restore({ room: { id: 'r' }, sales: [onSale(800)] }, true);
  assert.deepEqual(prices(state), [1_000, 100]);
  state.setMarkups({});
  assert.deepEqual(prices(state), [800, 100]);
});
