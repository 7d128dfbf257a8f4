/** The tiers of a ladder as it is planned: each needs more arrivals than the one before. */

import { button, make } from './dom.js';
import { t } from './i18n.js';
import { moneyField, selectField, textField, wholeField } from './merchant-fields.js';
import { money } from './merchant-parts.js';
import { couponWorth, REWARD_KINDS, TIERS_MAX, tierCost } from './merchant-reward-rules.js';

const STOCK_MAX = 100_000;
const NEEDS_MAX = 1_000_000;
const NEEDS = [3, 10, 30];

/**
 * Rows of tiers. `peek()` gives them with null for numbers that are none, `read()` as the API takes
 * them or throws `FieldProblem`. `batches` are coupon batches; `currency()` that of the ladder.
 */
export function tierFields({ tiers = [], batches, currency }) {
  const list = make('ol', { class: 'tiers-edit' });
  const add = button({ icon: 'plus', text: t('merchant.tier.add'), class: 'button quiet' }, () => {
    rows.push(tierRow({ needs: nextNeeds(rows) }, about));
    draw();
    rows.at(-1).focus();
  });
  const about = { batches, currency };
  let rows = tiers.map((tier) => tierRow(tier, about));
  const draw = () => {
    rows.forEach((each, number) => each.setNumber(number));
    list.replaceChildren(...rows.map(({ root }) => root));
    add.disabled = rows.length >= TIERS_MAX;
    list.dispatchEvent(new Event('input', { bubbles: true }));
  };
  list.addEventListener('click', (event) => {
    const gone = event.target.closest('.tier-out');
    if (!gone) return;
    rows = rows.filter(({ root }) => !root.contains(gone));
    draw();
    add.focus();
  });
  draw();
  return {
    root: make('div', { class: 'form-row', data: { field: 'tiers' } }, list, make('p', { class: 'field-problem', role: 'alert', hidden: true }), add),
    peek: () => rows.map((each) => each.peek()),
    read: () => rows.map((each) => each.read()),
    /** Show what each tier costs at most. */
    showCosts: () => rows.forEach((each) => each.showCost()),
  };
}

const nextNeeds = (rows) => NEEDS[rows.length] ?? (rows.at(-1)?.peek().needs ?? 0) * 2;

function tierRow(tier, { batches, currency }) {
  const fields = fieldsOf(tier, batches, currency);
  const { kind, batch, cost } = fields;
  const head = make('b', { class: 'tier-number' });
  const worst = make('p', { class: 'soft tier-cost' });
  const out = button({ icon: 'close', label: t('merchant.tier.remove'), class: 'icon-button tier-out' }, () => {});
  const showKind = () => {
    for (const [name, { root }] of Object.entries(fields)) root.hidden = !shownFor(name, kind.read());
  };
  kind.input.addEventListener('change', showKind);
  batch.input.addEventListener('change', () => {
    const worth = couponWorth(batches.find(({ id }) => id === batch.read()) ?? {});
    if (worth) cost.write(worth);
  });
  showKind();
  const root = make(
    'li',
    {},
    make('div', { class: 'goods-head' }, head, out),
    make('div', { class: 'tier-fields' }, ...Object.values(fields).map(({ root: each }) => each)),
    worst,
  );
  return {
    root,
    focus: () => fields.title.input.focus(),
    peek: () => peekTier(fields),
    read: () => readTier(fields),
    showCost() {
      const most = tierCost(peekTier(fields));
      worst.textContent = most === null ? '' : t('merchant.tier.costs', { amount: money(most, currency()) });
    },
    setNumber(number) {
      head.textContent = t('merchant.tier.number', { n: number + 1 });
      for (const { root: each, input } of Object.values(fields)) each.dataset.field = `tiers.${number}.${input.name}`;
    },
  };
}

function fieldsOf(tier, batches, currency) {
  const kinds = REWARD_KINDS.map((each) => [each, t(`merchant.reward.${each}`)]);
  const known = batches.map(({ id, title }) => [id, title]);
  if (tier.coupon_batch && !batches.some(({ id }) => id === tier.coupon_batch)) known.push([tier.coupon_batch, tier.coupon_batch]);
  return {
    title: textField({ name: 'title', label: t('merchant.tier.title'), value: tier.title ?? '', required: true, maxlength: 120 }),
    needs: wholeField({ name: 'needs', label: t('merchant.tier.needs'), value: tier.needs ?? '', least: 1, most: NEEDS_MAX }),
    kind: selectField({ name: 'kind', label: t('merchant.tier.kind'), value: tier.kind ?? 'coupon', options: kinds }),
    stock: wholeField({ name: 'stock', label: t('merchant.tier.stock'), value: tier.stock ?? '', least: 1, most: STOCK_MAX }),
    batch: selectField({ name: 'coupon_batch', label: t('merchant.coupon.batch'), value: tier.coupon_batch ?? '', options: [['', t('merchant.coupon.choose')], ...known] }),
    points: wholeField({ name: 'points', label: t('merchant.tier.points'), value: tier.points || '', least: 1, most: NEEDS_MAX }),
    pool: moneyField({ name: 'pool_minor', label: t('merchant.tier.pool'), minor: tier.pool_minor || null, currency }),
    cost: moneyField({ name: 'cost_minor', label: t('merchant.tier.cost'), minor: tier.cost_minor ?? null, currency }),
  };
}

const ONLY_FOR = { batch: ['coupon'], points: ['points'], pool: ['red_packet'], cost: ['coupon', 'points', 'voucher'] };
const shownFor = (name, kind) => ONLY_FOR[name]?.includes(kind) ?? true;

function peekTier({ needs, kind, stock, cost, pool }) {
  return { needs: needs.peek(), kind: kind.read(), stock: stock.peek(), cost_minor: cost.peek(), pool_minor: pool.peek() };
}

function readTier({ title, needs, kind, stock, batch, points, pool, cost }) {
  const tier = { title: title.read(), needs: needs.read(), kind: kind.read(), stock: stock.read() };
  if (tier.kind === 'coupon') tier.coupon_batch = batch.read();
  if (tier.kind === 'points') tier.points = points.read();
  if (tier.kind === 'red_packet') tier.pool_minor = pool.read();
  else tier.cost_minor = cost.read();
  return tier;
}
