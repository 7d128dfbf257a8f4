import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { LiveError } from '../../../server/pages/static/live-client.js';
import { VisibleClock } from '../../../server/pages/static/visible-clock.js';
import { deviceId, sourceOf, VisitTracker } from '../../../server/pages/static/visit-tracker.js';
import { settle } from './fake_socket.mjs';

const START = 1_000_000;
beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: START }));
afterEach(() => mock.timers.reset());

class Storage {
  kept = new Map();
  getItem = (key) => this.kept.get(key) ?? null;
  setItem = (key, value) => this.kept.set(key, value);
  removeItem = (key) => this.kept.delete(key);
}

const reply = (code) => new LiveError('reply', code, '');
const lost = () => new LiveError('lost', 0, 'gone');

/** A tracker whose sends give each of `answers` in turn (an Error is thrown), then a plain yes. */
function makeTracker(answers = [], { storage = new Storage(), source = {}, aheadMs = 0, nowMs, random = () => 0 } = {}) {
  const sent = [];
  const tracker = new VisitTracker({
    storage,
    key: 'k',
    source,
    device: 'device-0123456789',
    random,
    nowMs: nowMs ?? (() => Date.now() + aheadMs),
    send: async (batch) => {
      sent.push(batch);
      const answer = answers.shift() ?? {};
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { tracker, sent, storage };
}

const names = (batch) => batch.events.map(({ t }) => t);
async function pass(ms) {
  mock.timers.tick(ms);
  await settle();
}

test('what happens at the beginning is one batch, in order, at the server’s time', async () => {
  const { tracker, sent } = makeTracker([], { aheadMs: 500 });
  tracker.tell('enter', { share: 'abc' });
  tracker.tell('visible');
  await pass(400);
  assert.deepEqual(sent, [], 'not in the room yet');
  tracker.joined();
  assert.equal(sent.length, 1, 'at once');
  const [{ visit, seq, device, events }] = sent;
  assert.match(visit, /^[A-Za-z0-9_-]{16,64}$/);
  assert.equal(seq, 1);
  assert.equal(device, 'device-0123456789');
  assert.deepEqual(events, [
    { t: 'enter', at_ms: START + 500, share: 'abc' },
    { t: 'visible', at_ms: START + 500 },
  ]);
});

test('there is one batch in five seconds, but for what cannot wait', async () => {
  const { tracker, sent } = makeTracker();
  tracker.joined();
  tracker.tell('enter');
  await pass(400);
  tracker.tell('card_seen', { product: 'mug' });
  await pass(4_500);
  assert.equal(sent.length, 1);
  await pass(500);
  assert.deepEqual(names(sent[1]), ['card_seen']);
  tracker.tell('card_open', { product: 'mug' });
  tracker.tell('hidden');
  assert.deepEqual(names(sent[2]), ['card_open', 'hidden'], 'at once, without a timer');
  assert.deepEqual(sent.map(({ seq }) => seq), [1, 2, 3]);
});

test('a batch whose answer was lost is sent again under its number, and before the next', async () => {
  const { tracker, sent } = makeTracker([lost()]);
  tracker.joined();
  tracker.tell('enter');
  await pass(400);
  tracker.left();
  tracker.tell('beat');
  await pass(10_000);
  assert.equal(sent.length, 1, 'nothing is sent without a room');
  tracker.joined();
  await pass(400);
  await pass(5_000);
  assert.deepEqual(sent.map(({ seq }) => seq), [1, 1, 2]);
  assert.deepEqual(sent[1], sent[0]);
});

test('a busy server is asked again; a refusal is final', async () => {
  const busy = makeTracker([reply(503), reply(429)]);
  busy.tracker.joined();
  busy.tracker.tell('enter');
  await pass(400);
  await pass(5_000);
  await pass(5_000);
  await pass(60_000);
  assert.deepEqual(busy.sent.map(({ seq }) => seq), [1, 1, 1]);
  const refused = makeTracker([reply(400)]);
  refused.tracker.joined();
  refused.tracker.tell('enter');
  await pass(400);
  refused.tracker.tell('beat');
  await pass(60_000);
  assert.deepEqual(refused.sent.map(({ seq }) => seq), [1, 2]);
});

test('a reload goes on with the visit, its numbers and what was not answered', async () => {
  const first = makeTracker([lost()]);
  first.tracker.joined();
  first.tracker.tell('enter');
  await pass(400);
  first.tracker.tell('leave');
  const second = makeTracker([], { storage: first.storage, random: () => 0.5 });
  assert.equal(second.tracker.id, first.tracker.id);
  second.tracker.tell('enter');
  second.tracker.joined();
  await pass(400);
  await pass(5_000);
  assert.deepEqual(second.sent.map(({ seq }) => seq), [1, 2 ** 19 * 1_000 + 1]);
  assert.deepEqual(second.sent.map(names), [['enter'], ['leave', 'enter']]);
});

test('another source, or half an hour of silence, is another visit', async () => {
  const { tracker, storage } = makeTracker([], { source: { share: 'abc' } });
  tracker.tell('enter');
  const same = makeTracker([], { storage, source: { share: 'abc' } });
  assert.equal(same.tracker.id, tracker.id);
  const other = makeTracker([], { storage, source: { share: 'xyz' } });
  assert.notEqual(other.tracker.id, tracker.id);
  mock.timers.tick(1_800_001);
  const late = makeTracker([], { storage, source: { share: 'abc' } });
  assert.notEqual(late.tracker.id, tracker.id);
});

test('what waits is bounded: beats go first, and the beginning is kept', async () => {
  const { tracker, sent } = makeTracker();
  tracker.tell('enter');
  for (let turn = 0; turn < 150; turn += 1) tracker.tell('beat');
  for (let turn = 0; turn < 100; turn += 1) tracker.tell('card_seen', { product: `p${turn}` });
  tracker.joined();
  for (let turn = 0; turn < 8; turn += 1) await pass(5_000);
  const told = sent.flatMap(names);
  assert.equal(told.length, 200);
  assert.equal(told[0], 'enter');
  assert.equal(told.filter((t) => t === 'card_seen').length, 100);
  assert.ok(sent.every(({ events }) => events.length <= 40));
});

test('broken or forbidden storage costs the memory of a reload, nothing else', async () => {
  const storage = new Storage();
  storage.setItem('k', '{not json');
  const { tracker, sent } = makeTracker([], { storage });
  storage.setItem = () => {
    throw new Error('full');
  };
  tracker.joined();
  tracker.tell('enter');
  await pass(400);
  assert.deepEqual(names(sent[0]), ['enter']);
  assert.equal(deviceId('live.device'), '', 'Node has no storage: no device is claimed');
});

test('a page that is seen beats every fifteen seconds, and one that is not keeps still', () => {
  const said = [];
  const clock = new VisibleClock({ say: (t) => said.push(t) });
  clock.set(true);
  clock.set(true);
  mock.timers.tick(30_000);
  clock.set(false);
  mock.timers.tick(60_000);
  clock.set(true);
  mock.timers.tick(14_999);
  assert.deepEqual(said, ['visible', 'beat', 'beat', 'hidden', 'visible']);
  clock.stop();
  mock.timers.tick(60_000);
  assert.equal(said.length, 5);
});

test('a source is what the address says, and nothing that cannot be', () => {
  const from = (search, referrer = '', share = '') => sourceOf({ share, search, referrer, host: 'shop.example' });
  assert.deepEqual(from('?channel=weibo&campaign=may_1'), { channel: 'weibo', campaign: 'may_1' });
  assert.deepEqual(from('?channel=%3Cscript%3E&campaign='), {});
  assert.deepEqual(from('', 'https://news.example/page?q=secret', 'abc'), { share: 'abc', referrer: 'news.example' });
  assert.deepEqual(from('', 'https://shop.example/r/demo'), {});
  assert.deepEqual(from('', 'nonsense'), {});
});

test('what was told long before the first batch could be sent does not look like a lie', async () => {
  const { tracker, sent } = makeTracker([reply(503)]);
  tracker.tell('enter');
  mock.timers.tick(60_000);
  tracker.joined();
  await settle();
  assert.equal(sent[0].events[0].at_ms, START + 60_000 - 15_000);
  await pass(5_000);
  assert.equal(sent[1].events[0].at_ms, START + 65_000 - 15_000);
});

test('nothing is told of the future, whatever the device’s clock did meanwhile', async () => {
  const { tracker, sent } = makeTracker([], { nowMs: () => START + 50 });
  tracker.joined();
  tracker.tell('enter');
  mock.timers.setTime(START - 500_000);
  tracker.tell('hidden');
  assert.deepEqual(sent[0].events.map(({ at_ms: atMs }) => atMs), [START + 50, START + 50]);
});

test('a tab that was duplicated shares the visit and none of its numbers', async () => {
  const first = makeTracker([], { random: () => 0.25 });
  first.tracker.joined();
  first.tracker.tell('enter');
  await pass(400);
  const copy = new Storage();
  copy.kept = new Map(first.storage.kept);
  const second = makeTracker([], { storage: copy, random: () => 0.75 });
  second.tracker.joined();
  for (const { tracker } of [first, second]) tracker.tell('checkout', { sale: 's' });
  await settle();
  assert.equal(second.tracker.id, first.tracker.id);
  const numbers = [...first.sent, ...second.sent].map(({ seq }) => seq);
  assert.equal(new Set(numbers).size, 3);
  assert.ok(numbers.every((seq) => seq >= 1 && seq < 2 ** 31));
});

test('a visit begins with its first batch, however often that has to be sent', async () => {
  const { tracker, sent } = makeTracker([reply(503), lost()]);
  tracker.tell('enter', { share: 'abc' });
  tracker.joined();
  await settle();
  tracker.tell('card_seen', { product: 'mug' });
  tracker.tell('checkout', { sale: 's' });
  await pass(4_999);
  assert.deepEqual(sent.map(names), [['enter']], 'nothing goes ahead of it');
  await pass(1);
  assert.deepEqual(sent.map(names), [['enter'], ['enter']]);
  tracker.left();
  tracker.joined();
  await settle();
  assert.deepEqual(sent.map(names), [['enter'], ['enter'], ['enter'], ['card_seen', 'checkout']]);
});
