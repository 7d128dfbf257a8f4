/** One order in whole, and its refund or cancellation with the amount in the question. */

import { button, make } from './dom.js';
import { language, t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { ask } from './merchant-ask.js';
import { choiceField, textField } from './merchant-fields.js';
import { mountLoaded, table } from './merchant-load.js';
import { formatUnits } from './merchant-numbers.js';
import { code, deskLink, facts, instant, money, orderBadge, sourceFacts, units, unitsOf } from './merchant-parts.js';
import { orderActsOf } from './merchant-rules.js';
import { makeSheet } from './sheet.js';

const REASON_CHARS_MAX = 200;

/** Show an order in a dialog. `changed()` after an act, `closed()` when it is gone; returns `close`. */
export function openOrder(id, desk, { changed, closed }) {
  const place = make('div', { class: 'order', tabindex: '-1' });
  const dialog = makeSheet({ title: t('merchant.order.title'), look: 'wide' }, place);
  const loaded = mountLoaded(place, {
    load: () => desk.api.get(apiPath('orders', id)),
    draw: (order) =>
      drawOrder(order, desk, async (act) => {
        if (!(await ACTS[act](order, desk))) return;
        loaded.refresh();
        changed();
      }),
    empty: () => make('p'),
  });
  place.focus();
  dialog.addEventListener('close', () => {
    loaded.close();
    closed();
  });
  return () => dialog.close();
}

const ACTS = { refund, cancel };

function drawOrder(order, desk, act) {
  const acts = orderActsOf(order.state).map((each) =>
    button({ text: t(`merchant.order.${each}`), class: 'button danger', 'data-key': each }, () => act(each)),
  );
  return [
    make('div', { class: 'order-head' }, make('strong', { class: 'tabular', text: money(order.amount_minor, order.currency) }), orderBadge(order.state)),
    orderLines(order),
    facts([
      [t('merchant.order.buyer'), make('bdi', { text: order.user })],
      [t('merchant.sale.sale'), code(order.sale)],
      [t('merchant.room.room'), code(order.room)],
      [t('merchant.order.placed'), instant(order.placed_at_ms)],
      [t('merchant.order.reserved'), instant(order.reserved_at_ms)],
      order.state === 'reserved' ? [t('merchant.order.expires'), instant(order.expires_at_ms)] : null,
      [t('merchant.order.paid'), instant(order.paid_at_ms)],
      order.payment ? [t('merchant.order.payment'), code(order.payment)] : null,
      order.position ? [t('merchant.order.position'), formatUnits(order.position, language)] : null,
      ...(order.source ? sourceFacts(order.source) : []),
      order.source?.visit ? [t('merchant.order.visit'), deskLink(t('merchant.order.visit.open'), 'visits', order.source.visit)] : null,
      order.share ? [t('merchant.order.reseller'), deskLink(order.share.sharer, 'people', order.share.sharer)] : null,
      [t('merchant.order.id'), code(order.id)],
      [t('merchant.order.request'), code(order.request_id)],
      [t('merchant.order.durability'), code(order.durability)],
    ]),
    ...priceRules(order),
    ...paymentTable(order),
    acts.length ? make('div', { class: 'actions' }, ...acts) : null,
  ].filter(Boolean);
}

const orderLines = (order) =>
  table(
    t('merchant.sale.goods'),
    [
      { name: t('merchant.product.variant'), cell: (line) => code(line.sku) },
      { name: t('merchant.price'), look: 'number', cell: (line) => money(line.price_minor, order.currency) },
      { name: t('merchant.order.qty'), look: 'number', cell: (line) => units(line.qty) },
      { name: t('merchant.order.sum'), look: 'number', cell: (line) => money(BigInt(line.price_minor) * BigInt(line.qty), order.currency) },
    ],
    order.items,
  );

/** What coupons took off, each by its name; nothing where none did. */
function priceRules({ discount_minor: discount, price, currency }) {
  if (!discount) return [];
  const minus = (minor) => `−${money(minor, currency)}`;
  const rules = (price ?? []).filter(({ minor }) => minor > 0);
  return [
    make('h3', { class: 'section', text: t('merchant.order.discount') }),
    facts([...rules.map(({ title, coupon, minor }) => [title ?? coupon, minus(minor)]), [t('merchant.order.discount.all'), make('b', { class: 'tabular', text: minus(discount) })]]),
  ];
}

/** Every payment that came for the order, also those that are given back. */
function paymentTable({ payments }) {
  if (!payments?.length) return [];
  const columns = [
    { name: t('merchant.order.when'), look: 'fixed', cell: (payment) => instant(payment.at_ms) },
    { name: t('merchant.order.payment'), cell: (payment) => code(payment.id) },
    { name: t('merchant.order.amount'), look: 'number', cell: (payment) => money(payment.amount_minor, payment.currency) },
    { name: t('merchant.state'), look: 'fixed', cell: (payment) => t(`merchant.payment.${payment.outcome}`) },
  ];
  return [make('h3', { class: 'section', text: t('merchant.order.payments') }), table(t('merchant.order.payments'), columns, payments)];
}

function refund(order, desk) {
  const about = { amount: money(order.amount_minor, order.currency), n: unitsOf(order.qty), user: order.user };
  const options = [['yes', t('merchant.refund.restock')], ['no', t('merchant.refund.writeoff')]];
  const restock = choiceField({ name: 'restock', label: t('merchant.refund.units', about), value: 'yes', options });
  const reason = textField({ name: 'reason', label: t('merchant.reason'), required: true, maxlength: REASON_CHARS_MAX });
  const isBack = () => restock.read() === 'yes';
  return ask({
    title: t('merchant.order.refund'),
    question: () => t(isBack() ? 'merchant.ask.refund' : 'merchant.ask.refund.writeoff', about),
    fields: [restock.root, reason.root],
    go: () => t('merchant.refund.go', about),
    danger: true,
    act: (requestId) => desk.api.post(apiPath('orders', order.id, 'refund'), { restock: isBack(), reason: reason.read(), request_id: requestId }),
    done: () => t('merchant.refund.done', about),
  });
}

function cancel(order, desk) {
  const about = { amount: money(order.amount_minor, order.currency), n: unitsOf(order.qty), user: order.user };
  const reason = textField({ name: 'reason', label: t('merchant.reason'), maxlength: REASON_CHARS_MAX });
  const question = order.state === 'queued' ? 'merchant.ask.cancel.queued' : 'merchant.ask.cancel';
  return ask({
    title: t('merchant.order.cancel'),
    question: () => t(question, about),
    fields: [reason.root],
    go: () => t('merchant.order.cancel'),
    danger: true,
    act: () => desk.api.post(apiPath('orders', order.id, 'cancel'), { reason: reason.read() }),
    done: () => t('merchant.cancel.done', about),
  });
}
