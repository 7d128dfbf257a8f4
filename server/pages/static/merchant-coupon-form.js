/** A new batch of coupons: what it takes off, where and when it counts, how many there are. */

import { make } from './dom.js';
import { t } from './i18n.js';
import { ask, FieldProblem } from './merchant-ask.js';
import { checksField, choiceField, currencyField, instantField, moneyField, percentField, selectField, textField, wholeField, zoneNote } from './merchant-fields.js';
import { plainPercent } from './merchant-numbers.js';
import { money, units } from './merchant-parts.js';
import { COUPON_KINDS } from './merchant-reward-rules.js';
import { newId } from './outbox.js';

const ISSUE_MAX = 10_000_000;
const DAYS_MAX = 3650;
const SCOPES = ['rooms', 'products', 'skus', 'sales'];

/** Ask for a batch and create it; resolves with it or undefined. `lists` are `{rooms, products, sales}`. */
export function createBatch(desk, lists) {
  const fields = batchFields(lists);
  const madeId = `coupon-${newId().slice(0, 8)}`;
  const { title, currency, kind, amount, percent, cap, threshold, scope, stack, starts, ends, days, each, most } = fields;
  return ask({
    title: t('merchant.coupon.new'),
    look: 'wide',
    question: () => {
      showKind(fields);
      return questionOf(fields);
    },
    fields: [
      title.root,
      kind.root,
      make('div', { class: 'form-trio even' }, amount.root, percent.root, cap.root, threshold.root, currency.root),
      scope.root,
      ...SCOPES.map((name) => fields[name].root),
      make('div', { class: 'form-pair' }, most.root, each.root),
      make('div', { class: 'form-pair' }, starts.root, ends.root, days.root, stack.root),
      zoneNote(),
    ],
    go: () => t('merchant.coupon.create'),
    act: () => desk.api.post('/api/v1/coupon-batches', { id: madeId, ...bodyOf(fields) }),
    done: (batch) => t('merchant.coupon.created', { title: batch.title }),
  });
}

function batchFields(lists) {
  const currency = currencyField();
  const now = currency.peek;
  const scopes = [['all', t('merchant.coupon.scope.all')], ...SCOPES.map((name) => [name, t(`merchant.coupon.scope.${name}`)])];
  return {
    currency,
    title: textField({ name: 'title', label: t('merchant.coupon.title'), required: true, maxlength: 120 }),
    kind: choiceField({ name: 'kind', label: t('merchant.coupon.kind'), value: 'amount', options: COUPON_KINDS.map((each) => [each, t(`merchant.coupon.kind.${each}`)]) }),
    amount: moneyField({ name: 'amount_minor', label: t('merchant.coupon.amount'), currency: now }),
    percent: percentField({ name: 'percent_bp', label: t('merchant.coupon.percent') }),
    cap: moneyField({ name: 'cap_minor', label: t('merchant.coupon.cap'), currency: now }),
    threshold: moneyField({ name: 'threshold_minor', label: t('merchant.coupon.threshold'), currency: now }),
    scope: selectField({ name: 'scope', label: t('merchant.coupon.scope'), value: 'all', options: scopes }),
    rooms: checksField({ name: 'scope.rooms', label: t('merchant.coupon.scope.rooms'), options: lists.rooms.map(({ id, title }) => [id, title]) }),
    products: checksField({ name: 'scope.products', label: t('merchant.coupon.scope.products'), options: lists.products.map(({ id, title }) => [id, title]) }),
    skus: checksField({ name: 'scope.skus', label: t('merchant.coupon.scope.skus'), options: variantsOf(lists.products) }),
    sales: checksField({ name: 'scope.sales', label: t('merchant.coupon.scope.sales'), options: lists.sales.map(({ id }) => [id, id]) }),
    most: wholeField({ name: 'issue_max', label: t('merchant.coupon.issue'), value: 100, least: 1, most: ISSUE_MAX }),
    each: wholeField({ name: 'per_user_max', label: t('merchant.coupon.each'), value: 1, least: 1, most: ISSUE_MAX }),
    starts: instantField({ name: 'starts_at_ms', label: t('merchant.coupon.starts') }),
    ends: instantField({ name: 'ends_at_ms', label: t('merchant.coupon.ends') }),
    days: textField({ name: 'valid_days', label: t('merchant.coupon.days'), help: t('merchant.coupon.days.help'), inputmode: 'numeric' }),
    stack: textField({ name: 'stack', label: t('merchant.coupon.stack'), help: t('merchant.coupon.stack.help'), value: 'alone', required: true, maxlength: 64, spellcheck: 'false' }),
  };
}

/** All skus, each with the name of its product; a product's own sku has no name beside it. */
function variantsOf(products) {
  return products.flatMap(({ title, skus }) => skus.map((each) => [each.sku, !each.title || each.title === title ? title : `${title} · ${each.title}`]));
}

const FOR_KIND = { amount: ['amount', 'threshold'], percent: ['percent'], cap: ['percent'], threshold: ['threshold'] };

function showKind(fields) {
  const kind = fields.kind.read();
  for (const [name, kinds] of Object.entries(FOR_KIND)) fields[name].root.hidden = !kinds.includes(kind);
  for (const name of SCOPES) fields[name].root.hidden = fields.scope.read() !== name;
}

/** The batch in a sentence; null while a number is missing. */
function questionOf({ kind, amount, percent, cap, threshold, currency, most, each, title }) {
  const given = { amount: amount.peek(), bp: percent.peek(), cap: cap.input.value ? cap.peek() : 0, threshold: threshold.peek() };
  const words = discountWords({ kind: kind.read(), amount_minor: given.amount, percent_bp: given.bp, cap_minor: given.cap, threshold_minor: given.threshold }, currency.peek());
  const [count, per] = [most.peek(), each.peek()];
  if (words === null || count === null || per === null) return t('merchant.coupon.unfinished');
  return t('merchant.coupon.question', { title: title.input.value.trim() || '…', words, n: units(count), each: units(per) });
}

/** What a coupon of a batch takes off, in words; null while a number of it is missing. */
export function discountWords({ kind, amount_minor: amount, percent_bp: bp, cap_minor: cap, threshold_minor: threshold }, currency) {
  if (kind === 'percent') {
    if (bp === null || cap === null) return null;
    const percent = plainPercent(bp);
    return cap ? t('merchant.coupon.words.capped', { percent, cap: money(cap, currency) }) : t('merchant.coupon.words.percent', { percent });
  }
  if (amount === null || (kind === 'threshold' && threshold === null)) return null;
  return t(`merchant.coupon.words.${kind}`, { amount: money(amount, currency), threshold: money(threshold ?? 0, currency) });
}

function bodyOf(fields) {
  const kind = fields.kind.read();
  const [title, starts, ends] = [fields.title.read(), fields.starts.read(), fields.ends.read()];
  if (ends !== null && ends <= Math.max(starts ?? 0, Date.now())) throw new FieldProblem('ends_at_ms', t('merchant.draft.ends.early'));
  const scope = fields.scope.read();
  const chosen = scope === 'all' ? [] : fields[scope].read();
  if (scope !== 'all' && !chosen.length) throw new FieldProblem(`scope.${scope}`, t('merchant.coupon.scope.missing'));
  return {
    title,
    kind,
    currency: fields.currency.read(),
    ...discountOf(fields, kind),
    scope: scope === 'all' ? {} : { [scope]: chosen },
    starts_at_ms: starts,
    ends_at_ms: ends,
    valid_days: daysOf(fields.days),
    per_user_max: fields.each.read(),
    stack: fields.stack.read(),
    issue_max: fields.most.read(),
  };
}

function discountOf({ amount, percent, cap, threshold }, kind) {
  const none = { amount_minor: 0, percent_bp: 0, cap_minor: 0, threshold_minor: 0 };
  if (kind === 'percent') {
    const bp = percent.read();
    if (!bp) throw new FieldProblem('percent_bp', t('merchant.coupon.nothing'));
    return { ...none, percent_bp: bp, cap_minor: cap.input.value ? cap.read() : 0 };
  }
  const minor = amount.read();
  if (!minor) throw new FieldProblem('amount_minor', t('merchant.coupon.nothing'));
  if (kind === 'amount') return { ...none, amount_minor: minor };
  const from = threshold.read();
  if (from <= minor) throw new FieldProblem('threshold_minor', t('merchant.coupon.threshold.low'));
  return { ...none, amount_minor: minor, threshold_minor: from };
}

function daysOf(field) {
  const text = field.read();
  if (!text) return null;
  const days = Number(text);
  if (!/^\d{1,4}$/.test(text) || days < 1 || days > DAYS_MAX) throw new FieldProblem('valid_days', t('merchant.field.between', { least: 1, most: DAYS_MAX }));
  return days;
}
