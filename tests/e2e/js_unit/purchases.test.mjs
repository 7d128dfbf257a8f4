import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { LiveError } from '../../../server/pages/static/live-client.js';
import { Purchases } from '../../../server/pages/static/purchases.js';
import { settle } from './fake_socket.mjs';

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 }));
afterEach(() => mock.timers.reset());

class Storage {
  kept = new Map();
  getItem = (key) => this.kept.get(key) ?? null;
  setItem = (key, value) => this.kept.set(key, value);
  removeItem = (key) => this.kept.delete(key);
}

const WANTED = { sale: 's', sku: 'a', qty: 2 };
const RESERVED = { outcome: 'reserved', order: { id: 'o1' } };
const reply = (code, message = '') => new LiveError('reply', code, message);
const lost = () => new LiveError('lost', 0, 'gone');

/** Purchases whose sends give each of `answers` in turn (an Error is thrown), then RESERVED. */
function makePurchases(answers = [], { storage = new Storage(), user = 'u' } = {}) {
  const sent = [];
  const heard = [];
  const purchases = new Purchases({
    storage,
    key: 'k',
    random: () => 1,
    send: async ({ requestId, sale, sku, qty, waitlist, terms, user: as }) => {
      sent.push({ requestId, sale, sku, qty, waitlist, as, ...terms });
      const answer = answers.shift() ?? RESERVED;
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  purchases.on('answered', ({ outcome, order }) => heard.push([outcome, order?.id]));
  purchases.on('refused', ({ error }) => heard.push(['refused', error.code]));
  purchases.on('signin', () => heard.push(['signin']));
  if (user !== null) purchases.connected(user);
  return { purchases, sent, heard, storage };
}

const ids = (sent) => new Set(sent.map(({ requestId }) => requestId)).size;

test('a purchase is asked once, answered, and gone', async () => {
  const { purchases, sent, heard } = makePurchases();
  assert.equal(purchases.buy(WANTED), true);
  assert.equal(purchases.of('s').state, 'sending');
  await settle();
  assert.equal(sent.length, 1);
  const { requestId, ...what } = sent[0];
  assert.deepEqual(what, { ...WANTED, waitlist: false, as: 'u' });
  assert.match(requestId, /^[0-9a-f]{24}$/);
  assert.deepEqual(heard, [['reserved', 'o1']]);
  assert.equal(purchases.of('s'), null);
});

test('pressed twice, it is one purchase; another one has another request id', async () => {
  const { purchases, sent } = makePurchases();
  purchases.buy(WANTED);
  assert.equal(purchases.buy(WANTED), false);
  assert.equal(purchases.buy({ ...WANTED, sale: 'other' }), true);
  await settle();
  purchases.buy(WANTED);
  await settle();
  assert.equal(sent.length, 3);
  assert.equal(ids(sent), 3);
});

test('an answer that was lost with the connection is asked for again, with the same id', async () => {
  for (const kind of ['lost', 'offline']) {
    const { purchases, sent, heard } = makePurchases([new LiveError(kind, 0, 'gone')]);
    purchases.buy(WANTED);
    await settle();
    assert.equal(purchases.of('s').state, 'waiting');
    mock.timers.tick(60_000);
    await settle();
    assert.equal(sent.length, 1, 'without a connection nothing is asked');
    purchases.connected('u');
    await settle();
    assert.equal(ids(sent), 1);
    assert.equal(sent.length, 2);
    assert.deepEqual(heard, [['reserved', 'o1']]);
  }
});

test('a busy server and a missing answer are asked again by themselves, later and later', async () => {
  for (const failure of [() => reply(503), () => reply(111), () => reply(429), () => new LiveError('timeout', 0, '')]) {
    const { purchases, sent, heard } = makePurchases([failure(), failure()]);
    purchases.buy(WANTED);
    await settle();
    assert.equal(purchases.of('s').state, 'again');
    mock.timers.tick(1_199);
    await settle();
    assert.equal(sent.length, 1);
    mock.timers.tick(1);
    await settle();
    assert.equal(sent.length, 2);
    mock.timers.tick(2_400);
    await settle();
    assert.deepEqual([sent.length, ids(sent)], [3, 1]);
    assert.deepEqual(heard, [['reserved', 'o1']]);
  }
});

test('after some tries it waits to be asked to, and still keeps its id', async () => {
  const { purchases, sent, heard } = makePurchases(Array.from({ length: 6 }, () => reply(503)));
  purchases.buy(WANTED);
  for (let round = 0; round < 20; round += 1) {
    await settle();
    mock.timers.tick(10_000);
  }
  assert.equal(purchases.of('s').state, 'failed');
  assert.equal(sent.length, 6);
  purchases.retry('s');
  await settle();
  assert.deepEqual([sent.length, ids(sent)], [7, 1]);
  assert.deepEqual(heard, [['reserved', 'o1']]);
});

test('a reconnect asks at once, also for what would have been asked later, and only once', async () => {
  const { purchases, sent } = makePurchases([reply(503)]);
  purchases.buy(WANTED);
  await settle();
  purchases.connected('u');
  await settle();
  mock.timers.tick(60_000);
  await settle();
  assert.deepEqual([sent.length, ids(sent)], [2, 1]);
});

test('a refusal ends it and says why', async () => {
  for (const code of [400, 403, 404, 409, 413, 422]) {
    const { purchases, heard } = makePurchases([reply(code, 'no')]);
    purchases.buy(WANTED);
    await settle();
    assert.deepEqual(heard, [['refused', code]]);
    assert.equal(purchases.of('s'), null);
  }
});

test('a business answer without an order ends it too', async () => {
  const { purchases, heard } = makePurchases([{ outcome: 'sold_out' }]);
  purchases.buy(WANTED);
  await settle();
  assert.deepEqual(heard, [['sold_out', undefined]]);
  assert.equal(purchases.of('s'), null);
});

test('who is nobody is asked to sign in, and the purchase goes out as that person', async () => {
  const { purchases, sent, heard } = makePurchases([reply(401)], { user: '' });
  purchases.buy(WANTED);
  await settle();
  assert.deepEqual(heard, [['signin']]);
  purchases.connected('guest-1');
  await settle();
  assert.deepEqual(sent.map(({ as }) => as), ['', 'guest-1']);
  assert.deepEqual(heard.at(-1), ['reserved', 'o1']);
});

test('another person does not get the purchase that somebody else began', async () => {
  const { purchases, sent } = makePurchases([lost()]);
  purchases.buy(WANTED);
  await settle();
  purchases.connected('another');
  await settle();
  assert.equal(sent.length, 1);
  assert.equal(purchases.of('s'), null);
});

test('a reload asks again with the same id, for the same person', async () => {
  const storage = new Storage();
  const before = makePurchases([lost()], { storage });
  before.purchases.buy(WANTED);
  await settle();
  const after = makePurchases([], { storage, user: null });
  assert.equal(after.purchases.of('s').state, 'waiting');
  assert.equal(after.sent.length, 0);
  after.purchases.connected('u');
  await settle();
  assert.deepEqual(after.sent, before.sent);
  assert.deepEqual(after.heard, [['reserved', 'o1']]);
  assert.equal(makePurchases([], { storage }).purchases.of('s'), null);
});

test('a reload much later, and one before anybody has signed in, ask for nothing', async () => {
  const storage = new Storage();
  const before = makePurchases([lost()], { storage });
  before.purchases.buy(WANTED);
  await settle();
  mock.timers.tick(600_000);
  assert.equal(makePurchases([], { storage, user: null }).purchases.of('s'), null);
  const nobody = makePurchases([reply(401)], { storage: new Storage(), user: '' });
  nobody.purchases.buy(WANTED);
  await settle();
  assert.equal(nobody.storage.kept.size, 0);
});

test('given up, it is not asked again, but an answer on its way is taken', async () => {
  const { purchases, sent, heard } = makePurchases([lost()]);
  purchases.buy(WANTED);
  await settle();
  purchases.giveUp('s');
  purchases.connected('u');
  await settle();
  assert.equal(sent.length, 1);
  purchases.buy(WANTED);
  purchases.giveUp('s');
  await settle();
  assert.deepEqual(heard, [['reserved', 'o1']]);
});

test('broken or forbidden storage only costs the reload', async () => {
  for (const text of ['{"not": "a list"', '{"requestId": 1}', '[{"sale": "s"}]', 'null']) {
    const broken = new Storage();
    broken.setItem('k', text);
    assert.equal(makePurchases([], { storage: broken }).purchases.of('s'), null);
  }
  const no = () => {
    throw new Error('no');
  };
  const { purchases, heard } = makePurchases([], { storage: { getItem: no, setItem: no, removeItem: no } });
  purchases.buy(WANTED);
  await settle();
  assert.deepEqual(heard, [['reserved', 'o1']]);
});

test('coupons and a reseller’s link stay with the purchase, also over a reload', async () => {
  const { purchases, storage } = makePurchases([lost()]);
  purchases.buy({ ...WANTED, terms: { coupons: ['c1'], share: 'code' } });
  await settle();
  const second = makePurchases([], { storage });
  await settle();
  assert.deepEqual([second.sent[0].coupons, second.sent[0].share], [['c1'], 'code']);
});
