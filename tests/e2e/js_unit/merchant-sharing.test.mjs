import assert from 'node:assert/strict';
import { test } from 'node:test';

import { MERCHANT_MESSAGES } from '../../../server/pages/static/merchant-messages.js';
import { REWARD_MESSAGES } from '../../../server/pages/static/merchant-messages-rewards.js';
import { VISIT_MESSAGES } from '../../../server/pages/static/merchant-messages-visits.js';
import { parsePercent, plainPercent } from '../../../server/pages/static/merchant-numbers.js';
import {
  cleanCode,
  COMMISSION_STATES,
  COUPON_KINDS,
  couponWorth,
  gathered,
  GRANT_STATES,
  LADDER_STATES,
  ladderActsOf,
  REWARD_KINDS,
  shownState,
  stayText,
  summed,
  sumsUp,
  tierCost,
  tierTrouble,
  toneOf,
  VERDICTS,
  worstCase,
} from '../../../server/pages/static/merchant-reward-rules.js';
import { GROUPS, groupOf, hashOf, placeOf, tabOf, VIEWS } from '../../../server/pages/static/merchant-rules.js';
import { MESSAGES } from '../../../server/pages/static/messages.js';

test('the words of the later views are in both languages and take no other word’s place', () => {
  const taken = new Set([...Object.keys(MESSAGES.en), ...Object.keys(MERCHANT_MESSAGES.en)]);
  const names = (message) => (message.match(/\{\w+\}/g) ?? []).sort();
  for (const { 'zh-CN': zh, en } of [REWARD_MESSAGES, VISIT_MESSAGES]) {
    assert.deepEqual(Object.keys(zh), Object.keys(en));
    for (const key of Object.keys(en)) {
      assert.deepEqual(names(zh[key]), names(en[key]), key);
      assert.notEqual(en[key].trim(), '', key);
      assert.notEqual(zh[key].trim(), '', key);
      assert.ok(!taken.has(key), key);
      taken.add(key);
    }
  }
});

test('every state, verdict and kind has a name', () => {
  const words = { ...REWARD_MESSAGES.en, ...VISIT_MESSAGES.en };
  const named = [
    ['merchant.ladder.state', [...LADDER_STATES, 'ending']],
    ['merchant.verdict', VERDICTS],
    ['merchant.grant', GRANT_STATES],
    ['merchant.reward', REWARD_KINDS],
    ['merchant.coupon.kind', COUPON_KINDS],
    ['merchant.commission.state', COMMISSION_STATES],
    ['merchant.ladder.act', LADDER_STATES.flatMap(ladderActsOf)],
  ];
  for (const [start, names] of named) {
    for (const name of names) assert.ok(words[`${start}.${name}`], `${start}.${name}`);
  }
});

test('every view stands in one group, and one below a tab leads to it', () => {
  assert.equal(new Set(VIEWS).size, VIEWS.length);
  for (const [group, views] of Object.entries(GROUPS)) {
    for (const view of views) assert.equal(groupOf(view), group);
  }
  assert.equal(tabOf('plan'), 'ladders');
  assert.equal(groupOf('plan'), 'sharing');
  assert.deepEqual(placeOf(hashOf('ladders', 'a/b', { show: 'arrivals' })), { view: 'ladders', id: 'a/b', filters: { show: 'arrivals' } });
  assert.equal(placeOf('#/toString').view, 'sales');
  assert.equal(placeOf('#/__proto__/x').view, 'sales');
});

const COUPON = { kind: 'coupon', needs: 3, stock: 100, cost_minor: 1000, pool_minor: null, coupon_batch: 'ten' };
const PACKET = { kind: 'red_packet', needs: 10, stock: 50, cost_minor: null, pool_minor: 20_000 };

test('a ladder costs at most all of its rewards, and what is missing is not guessed', () => {
  assert.equal(tierCost(COUPON), 100_000n);
  assert.equal(tierCost(PACKET), 20_000n);
  assert.equal(tierCost({ ...COUPON, cost_minor: null }), null);
  const plan = { tiers: [COUPON, PACKET], newcomer_stock: 20, newcomer_cost_minor: 50, budget_minor: 120_000 };
  assert.deepEqual(worstCase(plan), { tiers: [100_000n, 20_000n], newcomer: 1_000n, total: 121_000n, left: -1_000n });
  assert.equal(worstCase({ ...plan, budget_minor: null }).left, null);
  assert.equal(worstCase({ ...plan, newcomer_stock: null }).total, null);
  assert.equal(worstCase({ tiers: [{ ...COUPON, stock: 100_000, cost_minor: 9_007_199_254_740_991 }], budget_minor: 0 }).total, 900_719_925_474_099_100_000n);
});

test('tiers climb, a pool is enough for its shares, and a coupon comes from a batch', () => {
  assert.equal(tierTrouble([COUPON, PACKET]), null);
  assert.deepEqual(tierTrouble([COUPON, { ...PACKET, needs: 3 }]), { number: 1, field: 'needs' });
  assert.deepEqual(tierTrouble([{ ...PACKET, pool_minor: 49 }]), { number: 0, field: 'pool_minor' });
  assert.deepEqual(tierTrouble([{ ...COUPON, coupon_batch: '' }]), { number: 0, field: 'coupon_batch' });
});

test('what may be done to a ladder follows from its state', () => {
  assert.deepEqual(LADDER_STATES.map(ladderActsOf), [['publish', 'edit'], ['end'], []]);
  assert.deepEqual(ladderActsOf('unheard of'), []);
});

test('a ladder that is over is ending until its ranking is frozen', () => {
  assert.equal(shownState({ state: 'published', ends_at_ms: 10 }, 9), 'published');
  assert.equal(shownState({ state: 'published', ends_at_ms: 10 }, 10), 'ending');
  assert.equal(shownState({ state: 'ended', ends_at_ms: 10 }, 11), 'ended');
  assert.equal(shownState({ state: 'draft', ends_at_ms: 10 }, 11), 'draft');
});

test('a verdict is good, still open, or a refusal', () => {
  assert.deepEqual(['valid', 'open', 'qualified', 'too_short'].map(toneOf), ['good', 'wait', 'wait', 'bad']);
});

test('a coupon is worth its amount, or its cap, or what only the price bounds', () => {
  assert.equal(couponWorth({ kind: 'amount', amount_minor: 1000, cap_minor: 0 }), 1000);
  assert.equal(couponWorth({ kind: 'threshold', amount_minor: 500, cap_minor: 0 }), 500);
  assert.equal(couponWorth({ kind: 'percent', amount_minor: 0, cap_minor: 800 }), 800);
  assert.equal(couponWorth({ kind: 'percent', amount_minor: 0, cap_minor: 0 }), null);
});

test('sources that miss one order of the total are found out', () => {
  const rows = [{ source: 'sms', orders: 2, paid_minor: 100 }, { source: 'direct', orders: 1, paid_minor: 50 }];
  assert.equal(sumsUp(rows, { orders: 3, paid_minor: 150 }), true);
  assert.equal(sumsUp(rows, { orders: 4, paid_minor: 150 }), false);
  assert.equal(sumsUp([], { orders: 0 }), true);
});

test('counters of days and sources are summed by name', () => {
  assert.deepEqual(summed([{ visits: 2, likes: 1 }, { visits: 3, likes: 0 }], ['visits', 'likes']), { visits: 5, likes: 1 });
  assert.deepEqual(summed([], ['visits']), { visits: 0 });
});

test('percent is typed with two decimals at most and kept in basis points', () => {
  assert.equal(parsePercent('12.5'), 1250);
  assert.equal(parsePercent('5%'), 500);
  assert.equal(parsePercent('０.０５'), 5);
  assert.equal(parsePercent('100'), 10_000);
  for (const bad of ['', '100.01', '-1', '1.234', 'x', '1e1', '.5']) assert.equal(parsePercent(bad), null, bad);
  assert.equal(parsePercent('51', 50), null);
  for (const bp of [0, 1, 99, 1250, 10_000]) assert.equal(parsePercent(plainPercent(bp)), bp);
});

test('a code is read however it is typed', () => {
  assert.equal(cleanCode(' 7kq2 m9xd-4TRA '), '7KQ2-M9XD-4TRA');
  assert.equal(cleanCode('７KQ2—M9XD—4TRA'), '7KQ2-M9XD-4TRA');
  assert.equal(cleanCode(''), '');
});

test('a stay is told in minutes and seconds', () => {
  assert.deepEqual([0, 999, 65_000, 3_600_000].map(stayText), ['0:00', '0:00', '1:05', '1:00:00']);
});

test('steps stand by their time; signals of staying are gathered, and nothing else is', () => {
  const step = (t, at_ms, explaining = 'mug') => ({ t, at_ms, explaining });
  const rows = gathered([step('enter', 1), step('beat', 2), step('beat', 3), step('beat', 5), step('beat', 6, 'tea'), step('like', 4)]);
  assert.deepEqual(rows.map(({ t, at_ms, until_ms, count }) => [t, at_ms, until_ms, count]), [
    ['enter', 1, 1, 1],
    ['beat', 2, 3, 2],
    ['like', 4, 4, 1],
    ['beat', 5, 5, 1],
    ['beat', 6, 6, 1],
  ]);
});
