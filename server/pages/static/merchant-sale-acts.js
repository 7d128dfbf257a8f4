/** What a merchant does to a sale; each is a question with its numbers, asked once. */

import { make } from './dom.js';
import { t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { ask, FieldProblem } from './merchant-ask.js';
import { choiceField, instantField, selectField, textField, wholeField, zoneNote } from './merchant-fields.js';
import { money, units, unitsOf, variantsOf } from './merchant-parts.js';
import { goodsOf } from './merchant-rules.js';

const UNITS_MAX = 1_000_000_000;
const REASON_CHARS_MAX = 200;
const COUNTDOWNS_S = [0, 10, 30, 60, 300];

/** By name: `act({sale, counts, desk})` resolves with the sale as it is then, or undefined. */
export const SALE_ACTS = { arm, open, pause, resume, close, restock };

const send = (desk, sale, act, body) => desk.api.post(apiPath('sales', sale.id, act), body);
const toastOf = (sale) => t('merchant.act.done', { sale: sale.id, state: t(`merchant.sale.state.${sale.state}`) });
const reasonField = () => textField({ name: 'reason', label: t('merchant.reason'), maxlength: REASON_CHARS_MAX });
const withReason = (reason) => (reason.read() ? { reason: reason.read() } : {});

function arm({ sale, desk }) {
  const onSale = sale.items.map((item) =>
    wholeField({ name: `on_sale.${item.sku}`, label: t('merchant.arm.onsale', { title: item.title, n: units(item.stock) }), value: item.stock, least: 0, most: item.stock }),
  );
  // A draft with a time of its own keeps it unless another one is sent.
  const word = sale.starts_at_ms === null ? [['word', t('merchant.arm.word')]] : [];
  const modes = [...word, ['countdown', t('merchant.arm.countdown')], ['time', t('merchant.arm.time')]];
  const start = choiceField({ name: 'start', label: t('merchant.arm.start'), value: word.length ? 'word' : 'time', options: modes });
  const seconds = wholeField({ name: 'countdown_seconds', label: t('merchant.arm.seconds'), value: 60, least: 1, most: 3600 });
  const at = instantField({ name: 'starts_at_ms', label: t('merchant.sale.starts'), atMs: sale.starts_at_ms });
  at.root.append(zoneNote());
  const showStart = () => {
    seconds.root.hidden = start.read() !== 'countdown';
    at.root.hidden = start.read() !== 'time';
  };
  const goods = () => {
    const counts = new Map(sale.items.map((item, index) => [item.sku, onSale[index].peek()]));
    return [...counts.values()].includes(null) ? null : goodsOf(sale.items, (item) => counts.get(item.sku));
  };
  const startBody = () => {
    if (start.read() === 'countdown') return { countdown_seconds: seconds.read() };
    if (start.read() === 'word') return {};
    const atMs = at.read();
    if (atMs === null) throw new FieldProblem('starts_at_ms', t('merchant.field.instant'));
    return { starts_at_ms: atMs };
  };
  return ask({
    title: t('merchant.act.arm'),
    look: 'wide',
    question: () => {
      showStart();
      const { units: all, worth } = goods() ?? {};
      return all ? t('merchant.ask.arm', { variants: variantsOf(sale.items.length), n: unitsOf(all), worth: money(worth, sale.currency), room: sale.room }) : null;
    },
    fields: [...onSale.map(({ root }) => root), start.root, seconds.root, at.root, make('p', { class: 'help', text: t('merchant.arm.after') })],
    go: () => t('merchant.act.arm'),
    act: (requestId) => {
      const counts = Object.fromEntries(sale.items.map((item, index) => [item.sku, onSale[index].read()]));
      return send(desk, sale, 'arm', { on_sale: counts, ...startBody(), request_id: requestId });
    },
    done: toastOf,
  });
}

function open({ sale, counts, desk }) {
  const goods = goodsOf(sale.items, (item) => counts.get(item.sku)?.available ?? item.available);
  const countdown = selectField({
    name: 'countdown_seconds',
    label: t('merchant.open.when'),
    value: '0',
    options: COUNTDOWNS_S.map((seconds) => [String(seconds), seconds ? t('merchant.open.in', { n: seconds }) : t('merchant.open.now')]),
  });
  const wait = () => Number(countdown.read());
  return ask({
    title: t('merchant.act.open'),
    question: () => t(wait() ? 'merchant.ask.open.in' : 'merchant.ask.open', { n: unitsOf(goods.units), worth: money(goods.worth, sale.currency), seconds: wait() }),
    fields: [countdown.root],
    go: () => t(wait() ? 'merchant.open.go.in' : 'merchant.open.go', { n: wait() }),
    act: (requestId) => send(desk, sale, 'open', { ...(wait() ? { countdown_seconds: wait() } : {}), request_id: requestId }),
    done: toastOf,
  });
}

function pause(about) {
  return steer(about, 'pause', (sums) => t('merchant.ask.pause', sums));
}

function resume(about) {
  return steer(about, 'resume', (sums) => t('merchant.ask.resume', sums));
}

function steer({ sale, counts, desk }, act, question) {
  const reason = reasonField();
  return ask({
    title: t(`merchant.act.${act}`),
    question: () => question(sumsOf(sale, counts)),
    fields: [reason.root],
    go: () => t(`merchant.act.${act}`),
    act: (requestId) => send(desk, sale, act, { ...withReason(reason), request_id: requestId }),
    done: toastOf,
  });
}

function close({ sale, counts, desk }) {
  const reason = reasonField();
  const sums = sumsOf(sale, counts);
  const options = [['keep', t('merchant.close.keep')], ['cancel', t('merchant.close.cancel')]];
  const holds = choiceField({ name: 'cancel_holds', label: t('merchant.close.holds', sums), value: 'keep', options });
  const cancels = () => holds.read() === 'cancel';
  return ask({
    title: t('merchant.act.close'),
    question: () => t(cancels() ? 'merchant.ask.close.cancel' : 'merchant.ask.close', sums),
    fields: [holds.root, reason.root],
    go: () => t('merchant.act.close'),
    danger: true,
    act: (requestId) => send(desk, sale, 'close', { ...withReason(reason), cancel_holds: cancels(), request_id: requestId }),
    done: toastOf,
  });
}

function restock({ sale, counts, desk }) {
  const options = sale.items.map((item) => [item.sku, item.title]);
  const sku = selectField({ name: 'sku', label: t('merchant.product.variant'), value: options[0][0], options });
  const more = wholeField({ name: 'units', label: t('merchant.restock.units'), least: 1, most: UNITS_MAX });
  const reason = reasonField();
  const item = () => sale.items.find((each) => each.sku === sku.read());
  const before = () => counts.get(sku.read())?.initial ?? item().stock;
  return ask({
    title: t('merchant.act.restock'),
    question: () => {
      const n = more.peek();
      if (n === null) return null;
      const worth = money(BigInt(n) * BigInt(item().price_minor), sale.currency);
      return t('merchant.ask.restock', { n: unitsOf(n), title: item().title, worth, before: units(before()), after: units(before() + n) });
    },
    fields: [sku.root, more.root, reason.root],
    go: () => (more.peek() === null ? t('merchant.act.restock') : t('merchant.restock.go', { n: unitsOf(more.peek()) })),
    act: (requestId) => send(desk, sale, 'restock', { sku: sku.read(), units: more.read(), ...withReason(reason), request_id: requestId }),
    done: toastOf,
  });
}

/** Units left and held, and what they are worth, as words for a question. */
function sumsOf(sale, counts) {
  const left = goodsOf(sale.items, (item) => counts.get(item.sku)?.available ?? item.available);
  const held = goodsOf(sale.items, (item) => counts.get(item.sku)?.reserved);
  return { left: unitsOf(left.units), held: unitsOf(held.units), worth: money(held.worth, sale.currency) };
}
