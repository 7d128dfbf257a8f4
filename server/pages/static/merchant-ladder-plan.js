/** Planning a ladder: where, how long, which tiers, what it may cost. Nothing is given yet. */

import { make } from './dom.js';
import { t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { FieldProblem, wireForm } from './merchant-ask.js';
import { currencyField, instantField, moneyField, selectField, textField, wholeField, zoneNote } from './merchant-fields.js';
import { loadBatches } from './merchant-coupons.js';
import { checkButton, costsOf } from './merchant-ladder-costs.js';
import { tierFields } from './merchant-ladder-tiers.js';
import { emptyCard, mountLoaded } from './merchant-load.js';
import { money, pageHead } from './merchant-parts.js';
import { couponWorth, tierTrouble, worstCase } from './merchant-reward-rules.js';
import { hashOf } from './merchant-rules.js';
import { roomOptions } from './merchant-sales.js';
import { newId } from './outbox.js';
import { toast } from './sheet.js';

const UNITS_MAX = 1_000_000;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const STARTERS = [3, 10, 30].map((needs) => ({ needs }));

/** The view of a plan; without an id a new one. Returns `{close}`. */
export function openPlan(place, desk, { id, filters }) {
  return mountLoaded(place, {
    load: async () => {
      const [rooms, batches, ladder] = await Promise.all([
        desk.api.all('/api/v1/rooms', 'rooms'),
        loadBatches(desk),
        id ? desk.api.get(apiPath('ladders', id)) : null,
      ]);
      return { rooms, batches, ladder };
    },
    draw: (found) => drawPlan(found, desk, filters.room),
    empty: () => make('p'),
  });
}

function drawPlan({ rooms, batches, ladder }, desk, roomWanted) {
  const back = ladder ? { href: hashOf('ladders', ladder.id), words: ladder.title } : { href: hashOf('ladders'), words: t('merchant.nav.ladders') };
  const head = pageHead(t(ladder ? 'merchant.plan.edit' : 'merchant.ladder.new'), { back, lead: t('merchant.plan.lead') });
  if (ladder && ladder.state !== 'draft') return [head, emptyCard('steps', t('merchant.draft.late'), t('merchant.plan.late'))];
  if (!rooms.length && !ladder) return [head, emptyCard('rooms', t('merchant.room.none'), t('merchant.plan.noroom'), make('a', { class: 'button', href: hashOf('rooms'), text: t('merchant.nav.rooms') }))];
  return [head, planForm({ rooms, batches, ladder, roomWanted, desk })];
}

const section = (words, ...rows) => make('section', { class: 'card form-card' }, make('h2', { text: words }), ...rows);
const pair = (...fields) => make('div', { class: 'form-pair' }, ...fields.map(({ root }) => root));

function planForm({ rooms, batches, ladder, roomWanted, desk }) {
  const currency = currencyField(ladder ? { value: ladder.currency } : {});
  const fields = { currency, ...whereFields(ladder, rooms, roomWanted, currency.peek), ...newcomerFields(ladder, batches, currency.peek) };
  const rules = ruleFields(ladder?.thresholds ?? {});
  const tiers = tierFields({ tiers: ladder?.tiers ?? STARTERS, batches, currency: currency.peek });
  const total = make('p', { class: 'question', role: 'status' });
  const costs = make('div', { class: 'costs', role: 'status' });
  const madeId = `ladder-${newId().slice(0, 8)}`;
  const body = () => bodyOf(fields, rules, tiers, ladder, madeId);
  const check = async () => {
    const plan = body();
    return costsOf(await desk.api.post('/api/v1/ladders/simulate', plan), plan.tiers, plan.currency);
  };
  const parts = wireForm({
    fields: [
      section(t('merchant.draft.where'), pair(fields.title, fields.room), pair(fields.starts, fields.ends), zoneNote(), pair(fields.budget, currency)),
      section(t('merchant.ladder.tiers'), make('p', { class: 'help', text: t('merchant.tier.help') }), tiers.root),
      section(t('merchant.newcomer'), make('p', { class: 'help', text: t('merchant.newcomer.help') }), fields.newcomer.root, make('div', { class: 'form-pair', data: { newcomer: '' } }, fields.newcomerStock.root, fields.newcomerCost.root)),
      rulesSection(rules),
      section(t('merchant.cost.title'), total, checkButton(check, (elements) => costs.replaceChildren(...elements), () => parts), costs),
    ],
    goWords: t('merchant.draft.save'),
    onChange: ({ form }) => {
      tiers.showCosts();
      form.querySelector('[data-newcomer]').hidden = !fields.newcomer.read();
      sayTotal(total, peekPlan(fields, tiers), currency.peek());
      costs.replaceChildren();
    },
    act: () => (ladder ? desk.api.patch(apiPath('ladders', ladder.id), withoutId(body())) : desk.api.post('/api/v1/ladders', body())),
    onDone: (saved) => {
      toast(t('merchant.plan.saved', { title: saved.title }));
      desk.go('ladders', saved.id);
    },
    cancel: () => desk.go('ladders', ladder?.id ?? ''),
  });
  return parts.form;
}

function whereFields(ladder, rooms, roomWanted, currency) {
  return {
    title: textField({ name: 'title', label: t('merchant.room.title'), value: ladder?.title ?? '', required: true, maxlength: 120 }),
    room: selectField({ name: 'room', label: t('merchant.room.room'), value: ladder?.room ?? roomWanted ?? rooms[0]?.id, options: roomOptions(rooms, ladder?.room), disabled: Boolean(ladder) }),
    starts: instantField({ name: 'starts_at_ms', label: t('merchant.sale.starts'), help: t('merchant.ladder.starts.help'), atMs: ladder?.starts_at_ms ?? null }),
    ends: instantField({ name: 'ends_at_ms', label: t('merchant.sale.ends'), atMs: ladder?.ends_at_ms ?? Date.now() + 7 * DAY_MS }),
    budget: moneyField({ name: 'budget_minor', label: t('merchant.ladder.budget'), help: t('merchant.ladder.budget.help'), minor: ladder?.budget_minor ?? null, currency }),
  };
}

function newcomerFields(ladder, batches, currency) {
  const known = batches.map(({ id, title }) => [id, title]);
  const newcomer = selectField({ name: 'newcomer_batch', label: t('merchant.coupon.batch'), value: ladder?.newcomer_batch ?? '', options: [['', t('merchant.newcomer.none')], ...known] });
  const newcomerCost = moneyField({ name: 'newcomer_cost_minor', label: t('merchant.tier.cost'), minor: ladder?.newcomer_cost_minor || null, currency });
  newcomer.input.addEventListener('change', () => {
    const worth = couponWorth(batches.find(({ id }) => id === newcomer.read()) ?? {});
    if (worth) newcomerCost.write(worth);
  });
  return { newcomer, newcomerCost, newcomerStock: wholeField({ name: 'newcomer_stock', label: t('merchant.tier.stock'), value: ladder?.newcomer_stock || '', least: 1, most: UNITS_MAX }) };
}

/** When an arrival counts: by name of the API, a field and how many of its units one of ours is. */
const RULES = [
  ['stay_ms', 1000, 60, 1],
  ['actions', 1, 1, 0],
  ['settle_ms', 1000, 60, 0],
  ['first_action_after_ms', 1000, 1, 0],
  ['persons_per_device_max', 1, 1, 1],
  ['arrivals_per_net_max', 1, 3, 1],
  ['arrivals_per_agent_max', 1, 2, 1],
  ['own_browser_max', 1, 0, 0],
  ['cluster_window_ms', HOUR_MS, 24, 1],
];

/** Fields of the rules; `read()` of one that nobody touched gives exactly what it was. */
const ruleFields = (thresholds) => [...numberRules(thresholds), memberRule(thresholds)];

function memberRule({ member_only: was = false }) {
  const options = ['no', 'yes'].map((each) => [each, t(`merchant.counted.${each}`)]);
  const field = selectField({ name: 'member_only', label: t('merchant.rule.member_only'), value: was ? 'yes' : 'no', options });
  field.root.dataset.field = 'thresholds.member_only';
  return { name: 'member_only', root: field.root, read: () => field.read() === 'yes' };
}

function numberRules(thresholds) {
  return RULES.map(([name, size, usual, least]) => {
    const was = thresholds[name] ?? usual * size;
    const shown = String(Math.max(least, Math.round(was / size)));
    const field = wholeField({ name, label: t(`merchant.rule.${name}`), value: shown, least, most: UNITS_MAX });
    field.root.dataset.field = `thresholds.${name}`;
    return { name, root: field.root, read: () => (field.input.value === shown ? was : field.read() * size) };
  });
}

const rulesSection = (rules) =>
  make(
    'details',
    { class: 'card form-card rules' },
    make('summary', {}, make('span', { text: t('merchant.rules') })),
    make('p', { class: 'help', text: t('merchant.rules.help') }),
    make('div', { class: 'form-pair' }, ...rules.map(({ root }) => root)),
  );

function peekPlan({ newcomer, newcomerStock, newcomerCost, budget }, tiers) {
  const has = Boolean(newcomer.read());
  return { tiers: tiers.peek(), newcomer_stock: has ? newcomerStock.peek() : 0, newcomer_cost_minor: has ? newcomerCost.peek() : 0, budget_minor: budget.peek() };
}

/** What it can cost at most beside the budget; a plan that is too dear can be kept, not published. */
function sayTotal(total, plan, currency) {
  const { total: worst, left } = worstCase(plan);
  const about = worst !== null && left !== null ? { worst: money(worst, currency), left: money(left < 0n ? -left : left, currency), budget: money(plan.budget_minor, currency) } : null;
  total.classList.toggle('soft', !about);
  total.classList.toggle('bad', about !== null && left < 0n);
  if (!about) total.textContent = t('merchant.cost.unfinished');
  else total.textContent = t(left < 0n ? 'merchant.cost.over' : 'merchant.cost.within', about);
}

function bodyOf(fields, rules, tiers, ladder, madeId) {
  const [starts, ends] = [fields.starts.read(), fields.ends.read()];
  if (ends === null || ends <= Math.max(starts ?? 0, Date.now())) throw new FieldProblem('ends_at_ms', t('merchant.draft.ends.early'));
  const [title, budget] = [fields.title.read(), fields.budget.read()];
  const rows = tiers.read();
  if (!rows.length) throw new FieldProblem('tiers', t('merchant.tier.none'));
  const trouble = tierTrouble(rows);
  if (trouble) throw new FieldProblem(`tiers.${trouble.number}.${trouble.field}`, t(`merchant.wrong.${trouble.field}`));
  const batch = fields.newcomer.read();
  return {
    id: ladder?.id ?? madeId,
    title,
    room: fields.room.read(),
    currency: fields.currency.read(),
    budget_minor: budget,
    starts_at_ms: starts,
    ends_at_ms: ends,
    tiers: rows,
    thresholds: Object.fromEntries(rules.map(({ name, read }) => [name, read()])),
    newcomer_batch: batch,
    newcomer_stock: batch ? fields.newcomerStock.read() : 0,
    newcomer_cost_minor: batch ? fields.newcomerCost.read() : 0,
  };
}

const withoutId = ({ id: _id, room: _room, ...changes }) => changes;
