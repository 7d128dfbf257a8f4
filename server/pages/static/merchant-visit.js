/** One visit: what it came to, and every step of it in the order in which it was told. */

import { button, make } from './dom.js';
import { language, t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { mountLoaded, table } from './merchant-load.js';
import { formatSecond } from './merchant-numbers.js';
import { badge, code, deskLink, facts, instant, money, orderBadge, pageHead, sourceFacts, units } from './merchant-parts.js';
import { gathered, stayText } from './merchant-reward-rules.js';
import { hashOf } from './merchant-rules.js';

const AGAIN_MS = 10_000;

/** The view of one visit. Returns `{close}`. */
export function openVisit(place, desk, { id }) {
  let pages = 1; // of a long visit, as many as were asked for
  const more = () => {
    pages += 1;
    view.refresh();
  };
  const view = mountLoaded(place, {
    load: () => loadSteps(desk, id, pages),
    draw: (visit) => drawVisit(visit, more),
    empty: () => make('p'),
    again: (visit) => (visit.left ? 0 : AGAIN_MS),
  });
  return view;
}

/** The visit with its first pages of steps and orders; `next` is null when these are all. */
async function loadSteps(desk, id, pages) {
  const visit = await desk.api.get(apiPath('visits', id));
  for (let page = 1; page < pages && visit.next !== null; page += 1) {
    const { steps, placed, next } = await desk.api.get(apiPath('visits', id), { after: visit.next });
    Object.assign(visit, { next, steps: [...visit.steps, ...steps], placed: [...visit.placed, ...placed] });
  }
  return visit;
}

function drawVisit(visit, more) {
  const who = visit.person || visit.user;
  return [
    pageHead(who || t('merchant.visit.anonymous'), {
      back: { href: hashOf('visits', '', { room: visit.room }), words: t('merchant.nav.visits') },
      beside: badge(visit.left ? 'closed' : 'live', t(visit.left ? 'merchant.visit.left' : 'merchant.visit.here')),
    }),
    make('section', { class: 'card' }, visitFacts(visit, who)),
    ...orderTable(visit.placed),
    make('h2', { class: 'section', text: t('merchant.visit.steps') }),
    make('ol', { class: 'steps card' }, ...gathered(visit.steps).map((step) => stepRow(step, visit.entered_at_ms))),
    ...(visit.next === null ? [] : [button({ text: t('merchant.load.more'), class: 'button quiet', 'data-key': 'more' }, more)]),
  ];
}

const visitFacts = (visit, who) =>
  facts([
    [t('merchant.room.room'), code(visit.room)],
    [t('merchant.visit.who'), who ? deskLink(who, 'people', who) : t('merchant.visit.anonymous')],
    [t('merchant.arrival.entered'), instant(visit.entered_at_ms)],
    [t('merchant.visit.until'), instant(visit.last_at_ms)],
    [t('merchant.arrival.stayed'), make('span', { class: 'tabular', text: stayText(visit.visible_ms) })],
    ...sourceFacts(visit.source),
    [t('merchant.visit.device.name'), code(visit.device || '–')],
    visit.app ? [t('merchant.visit.app'), visit.app] : null,
  ]);

function orderTable(orders) {
  if (!orders.length) return [];
  const columns = [
    { name: t('merchant.order.title'), cell: (order) => deskLink(order.id, 'orders', order.id) },
    { name: t('merchant.order.amount'), look: 'number', cell: (order) => money(order.amount_minor, order.currency) },
    { name: t('merchant.state'), cell: (order) => orderBadge(order.state) },
  ];
  return [make('h2', { class: 'section', text: t('merchant.nav.orders') }), table(t('merchant.nav.orders'), columns, orders)];
}

/** A step with the clock, the time since entering, and what was explained at that moment. */
function stepRow({ t: kind, at_ms: atMs, until_ms: untilMs, count, explaining, facts: told = {} }, enteredAtMs) {
  const clock = count > 1 ? `${formatSecond(atMs, language)} – ${formatSecond(untilMs, language)}` : formatSecond(atMs, language);
  const about = Object.entries(told).map(([name, value]) => make('span', { class: 'told' }, make('small', { class: 'soft', text: factName(name) }), make('span', { text: String(value), dir: 'auto' })));
  return make(
    'li',
    { data: { step: kind } },
    make('span', { class: 'step-when' }, make('time', { class: 'tabular', datetime: new Date(atMs).toISOString(), text: clock }), make('small', { class: 'soft tabular', text: `+${stayText(Math.max(0, atMs - enteredAtMs))}` })),
    make('div', { class: 'step-what' },
      make('b', { text: STEPS.has(kind) ? t(`merchant.step.${kind}`) : kind }),
      count > 1 ? make('small', { class: 'soft', text: t('merchant.step.times', { n: units(count) }) }) : null,
      ...about,
      explaining ? make('small', { class: 'soft', text: t('merchant.step.explaining', { product: explaining }), dir: 'auto' }) : null),
  );
}

const STEPS = new Set(['enter', 'visible', 'hidden', 'beat', 'card_seen', 'card_open', 'sku_pick', 'checkout', 'leave', 'comment', 'comment_like', 'like', 'share', 'order', 'paid', 'signed_in', 'gone']);
const FACTS = new Set(['share', 'channel', 'campaign', 'referrer', 'product', 'sku', 'sale', 'id', 'n', 'link', 'order', 'outcome']);
const factName = (name) => (FACTS.has(name) ? t(`merchant.fact.${name}`) : name);
