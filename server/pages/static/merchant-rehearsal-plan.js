/** Planning a rehearsal: which goods, how many come, what must hold. One press begins it. */

import { make } from './dom.js';
import { t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { FieldProblem, wireForm } from './merchant-ask.js';
import { checksField, row, selectField, textField, wholeField } from './merchant-fields.js';
import { mountLoaded, table } from './merchant-load.js';
import { pageHead, units } from './merchant-parts.js';
import { stockOf, VIEWERS_USUAL } from './merchant-rehearsals.js';
import { hashOf } from './merchant-rules.js';
import { toast } from './sheet.js';

const DRILLS = ['kill_worker', 'restart_redis', 'stop_ledger', 'cut_network', 'slow_readers', 'webhook_storm'];
/** Seconds after T0 of the first drill, and between two. */
const [DRILLS_FROM_S, DRILLS_APART_S] = [6, 15];
/** Seconds that the sale is on where a plan does not say it; a longer rush needs more. */
const SPIKE_USUAL_S = 20;
const SAMPLE = [{ sku: 'sample', title: 'Sample', stock: 200, price_minor: 5900, per_user_max: 1 }];

/** The view of a plan; `filters.sale` names the sale that it begins with. Returns `{close}`. */
export function openRehearsalPlan(place, desk, { filters }) {
  return mountLoaded(place, {
    load: async () => {
      const sales = await desk.api.all('/api/v1/sales', 'sales');
      const wanted = sales.find(({ id }) => id === filters.sale) ?? sales[0];
      return { sales, sale: wanted?.id ?? '', draft: await draftOf(desk, wanted?.id) };
    },
    draw: (found) => [
      pageHead(t('merchant.rehearsal.new'), { back: { href: hashOf('rehearsals'), words: t('merchant.nav.rehearsals') }, lead: t('merchant.rehearsal.plan.lead') }),
      planForm(found, desk),
    ],
    empty: () => make('p'),
  });
}

/** What the server makes of a sale: its goods, and an audience as its room has had. */
async function draftOf(desk, sale) {
  if (!sale) return { title: t('merchant.rehearsal.sample'), items: SAMPLE };
  return (await desk.api.get(apiPath('rehearsals', 'plan-from-sale', sale))).plan;
}

const section = (words, ...rows) => make('section', { class: 'card form-card' }, make('h2', { text: words }), ...rows);
const pair = (...fields) => make('div', { class: 'form-pair' }, ...fields.map(({ root }) => root));

function planForm({ sales, sale, draft }, desk) {
  let items = draft.items;
  const goods = make('div', { class: 'plan-goods' });
  const showGoods = () => goods.replaceChildren(goodsTable(items));
  showGoods();
  const fields = fieldsOf(sales, sale, draft);
  const drills = checksField({ name: 'plan.drills', label: t('merchant.rehearsal.drills'), options: DRILLS.map((kind) => [kind, t(`merchant.drill.${kind}`)]) });
  const taken = async () => {
    const wanted = fields.sale.read();
    try {
      const found = await draftOf(desk, wanted);
      if (wanted !== fields.sale.read()) return;
      items = found.items;
      fields.title.input.value = found.title;
      if (found.promise?.viewers) fields.viewers.input.value = String(found.promise.viewers);
      showGoods();
    } catch (error) {
      toast(error.message, 'bad');
    }
  };
  fields.sale.input.addEventListener('change', taken);
  const parts = wireForm({
    fields: [
      section(t('merchant.rehearsal.goods'), pair(fields.title, fields.sale), goods),
      section(t('merchant.rehearsal.promised'), pair(fields.viewers, fields.arrive_s), pair(fields.buyers_per_unit, fields.rush_s), pair(fields.comments_per_s, fields.likes_per_s)),
      section(t('merchant.rehearsal.targets'), make('p', { class: 'help', text: t('merchant.rehearsal.targets.help') }), pair(fields.order_p99_ms, fields.delivery_p99_ms)),
      make('details', { class: 'card form-card rules' }, make('summary', {}, make('span', { text: t('merchant.rehearsal.drills') })), make('p', { class: 'help', text: t('merchant.rehearsal.drills.help') }), drills.root),
    ],
    goWords: t('merchant.rehearsal.begin'),
    onChange: () => {},
    act: () => desk.api.slowly('POST', '/api/v1/rehearsals', { plan: planOf(fields, items, drills.read(), draft), drive: true }),
    onDone: (run) => {
      toast(t('merchant.rehearsal.begun'));
      desk.go('rehearsals', run.id);
    },
    cancel: () => desk.go('rehearsals'),
  });
  return parts.form;
}

const goodsTable = (items) =>
  table(t('merchant.rehearsal.goods'), [
    { name: t('merchant.rehearsal.sku'), cell: (item) => make('span', { text: item.title, dir: 'auto' }) },
    { name: t('merchant.rehearsal.units'), look: 'number', cell: (item) => units(item.stock) },
    { name: t('merchant.rehearsal.each'), look: 'number', cell: (item) => units(item.per_user_max ?? 1) },
  ], items);

function fieldsOf(sales, sale, draft) {
  const promise = draft.promise ?? {};
  const options = sales.length ? sales.map(({ id }) => [id, id]) : [['', t('merchant.rehearsal.sample')]];
  const whole = (part, name, value, least, most) => wholeField({ name: `plan.${part}.${name}`, label: t(`merchant.rehearsal.${name}`), value: String(value), least, most });
  const decimal = (name, value, most) => decimalField({ name: `plan.promise.${name}`, label: t(`merchant.rehearsal.${name}`), value, most });
  return {
    title: textField({ name: 'plan.title', label: t('merchant.rehearsal.title'), value: draft.title ?? '', required: true, maxlength: 120 }),
    sale: selectField({ name: 'sale', label: t('merchant.rehearsal.sale'), help: t('merchant.rehearsal.sale.help'), value: sale, options }),
    viewers: whole('promise', 'viewers', promise.viewers ?? VIEWERS_USUAL, 1, 200_000),
    arrive_s: whole('promise', 'arrive_s', promise.arrive_s ?? 20, 1, 3600),
    buyers_per_unit: decimal('buyers_per_unit', promise.buyers_per_unit ?? 3, 10_000),
    rush_s: decimal('rush_s', promise.rush_s ?? 3, 600),
    comments_per_s: decimal('comments_per_s', promise.comments_per_s ?? 5, 5000),
    likes_per_s: decimal('likes_per_s', promise.likes_per_s ?? 20, 50_000),
    order_p99_ms: whole('targets', 'order_p99_ms', draft.targets?.order_p99_ms ?? 1000, 1, 60_000),
    delivery_p99_ms: whole('targets', 'delivery_p99_ms', draft.targets?.delivery_p99_ms ?? 1000, 1, 60_000),
  };
}

/** A number with decimals, of 0 up to `most`. */
function decimalField({ name, label, value, most }) {
  const input = make('input', { class: 'field tabular', type: 'text', inputmode: 'decimal', name, value: String(value) });
  const root = row(name, label, input);
  return {
    root,
    input,
    read() {
      const text = input.value.trim().replace(',', '.');
      const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
      if (!(number >= 0 && number <= most)) throw new FieldProblem(name, t('merchant.rehearsal.number', { most: units(most) }));
      return number;
    },
  };
}

function planOf(fields, items, drills, draft) {
  const read = (...names) => Object.fromEntries(names.map((name) => [name, fields[name].read()]));
  const title = fields.title.read();
  const promise = { ...draft.promise, ...read('viewers', 'arrive_s', 'buyers_per_unit', 'rush_s', 'comments_per_s', 'likes_per_s') };
  const targets = { ...draft.targets, ...read('order_p99_ms', 'delivery_p99_ms') };
  const plan = { ...draft, title, items, promise, targets };
  if (!stockOf(plan)) throw new FieldProblem('sale', t('merchant.rehearsal.empty'));
  if (drills.length) plan.drills = drills.map((kind, index) => ({ kind, at_s: DRILLS_FROM_S + index * DRILLS_APART_S, seconds: 5 }));
  const drilledSeconds = drills.length ? DRILLS_FROM_S + drills.length * DRILLS_APART_S : 0;
  plan.phases = { ...draft.phases, spike_s: Math.max(draft.phases?.spike_s ?? SPIKE_USUAL_S, drilledSeconds, Math.ceil(promise.rush_s)) };
  return plan;
}
