import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { nextChangeMs, ServerClock, Ticker } from '../../../server/pages/static/server-clock.js';
import { settle } from './fake_socket.mjs';

/** A device whose clock shows `deviceMs`, and a server that answers after each of `trips`. */
function makeClock({ aheadMs, trips }) {
  const device = { ms: 1_000_000 };
  const clock = new ServerClock({
    deviceMs: () => device.ms,
    ask: async () => {
      const trip = trips.shift();
      if (trip === undefined) throw new Error('the line is gone');
      device.ms += trip / 2;
      const answer = { now_ms: device.ms + aheadMs };
      device.ms += trip / 2;
      return answer;
    },
  });
  return { clock, device };
}

test('a wrong device clock does not matter, whichever way it is wrong', async () => {
  for (const aheadMs of [-7_200_000, 0, 90_000]) {
    const { clock, device } = makeClock({ aheadMs, trips: [40, 40, 40] });
    await clock.sync();
    assert.equal(clock.now(), device.ms + aheadMs);
    assert.deepEqual([clock.synced, clock.errorMs], [true, 20]);
  }
});

test('the quickest of a few answers is believed', async () => {
  const { clock } = makeClock({ aheadMs: 500, trips: [900, 10, 300] });
  await clock.sync();
  assert.equal(clock.errorMs, 5);
});

test('an answer that took longer one way than back is wrong by no more than it says', async () => {
  const device = { ms: 0 };
  const clock = new ServerClock({
    deviceMs: () => device.ms,
    ask: async () => {
      device.ms += 200; // all of the trip is the way there
      return { now_ms: device.ms + 5_000 };
    },
  });
  await clock.sync();
  const wrongMs = Math.abs(clock.now() - (device.ms + 5_000));
  assert.ok(wrongMs <= clock.errorMs, `${wrongMs} > ${clock.errorMs}`);
});

test('when nobody answers, what was known holds', async () => {
  const { clock, device } = makeClock({ aheadMs: 3_000, trips: [10, 10, 10] });
  let heard = 0;
  clock.on('sync', () => (heard += 1));
  await clock.sync();
  await clock.sync(); // no trips are left
  assert.deepEqual([clock.now(), heard, clock.synced], [device.ms + 3_000, 1, true]);
});

test('a display changes at whole seconds before its deadline, and at the deadline', () => {
  assert.equal(nextChangeMs([10_250], 10_000), 250);
  assert.equal(nextChangeMs([12_250], 10_000), 250);
  assert.equal(nextChangeMs([12_000], 10_000), 1_000);
  assert.equal(nextChangeMs([12_900, 12_400], 10_000), 400);
  assert.equal(nextChangeMs([9_000, 10_000], 10_000), Infinity);
  assert.equal(nextChangeMs([], 10_000), Infinity);
});

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'] }));
afterEach(() => mock.timers.reset());

test('a ticker draws at each change and stops when every deadline is over', async () => {
  const clock = new ServerClock({ ask: async () => ({ now_ms: 0 }) });
  const deadline = Date.now() + 2_300;
  const drawn = [];
  const draw = () => drawn.push(Math.ceil(Math.max(0, deadline - clock.now()) / 1000));
  const ticker = new Ticker({ clock, deadlines: () => [deadline], draw });
  ticker.restart();
  ticker.restart(); // asked twice, it ticks once
  for (let ms = 0; ms < 5_000; ms += 1) mock.timers.tick(1);
  await settle();
  assert.deepEqual(drawn, [2, 1, 0]);
});
