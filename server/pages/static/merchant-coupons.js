/** Coupon batches: the list, a new one, and each in whole with what it has cost so far. */

import { button, make } from './dom.js';
import { t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { ask } from './merchant-ask.js';
import { createBatch, discountWords } from './merchant-coupon-form.js';
import { textField } from './merchant-fields.js';
import { emptyCard, mountList, mountLoaded } from './merchant-load.js';
import { code, facts, instant, money, pageHead, shareBar, units } from './merchant-parts.js';
import { hashOf } from './merchant-rules.js';
import { makeSheet } from './sheet.js';

const PATH = '/api/v1/coupon-batches';

/** All batches, to choose from; none for a merchant of some rooms only: they are the whole shop's. */
export const loadBatches = (desk) =>
  desk.api.all(PATH, 'batches').catch((error) => {
    if (error.status === 403) return [];
    throw error;
  });

/** The view of batches; with an id that one is open above it. Returns `{close, move}`. */
export function openCoupons(place, desk, { id }) {
  const body = make('div');
  const create = () => button({ icon: 'plus', text: t('merchant.coupon.new'), class: 'button', 'data-key': 'new' }, () => newBatch(desk).then((made) => made && list.refresh()));
  place.replaceChildren(pageHead(t('merchant.nav.coupons'), { lead: t('merchant.coupon.lead'), tools: [create()] }), body);
  const list = mountList(body, {
    label: t('merchant.nav.coupons'),
    page: (after) => desk.api.page(PATH, 'batches', {}, after),
    empty: () => emptyCard('ticket', t('merchant.coupon.none'), t('merchant.coupon.none.text'), create()),
    columns: [
      { name: t('merchant.coupon.batch'), cell: (batch) => make('a', { class: 'link', href: hashOf('coupons', batch.id), 'data-key': batch.id, text: batch.title, dir: 'auto' }) },
      { name: t('merchant.coupon.takes'), cell: (batch) => discountWords(batch, batch.currency) },
      { name: t('merchant.coupon.ends'), cell: (batch) => instant(batch.ends_at_ms, t('merchant.coupon.openend')) },
      { name: t('merchant.coupon.issued'), look: 'number', cell: (batch) => t('merchant.count.of', { n: units(batch.issued), all: units(batch.issue_max) }) },
    ],
  });
  let isHere = true;
  const dialog = { close: () => {} };
  const show = (batchId) => {
    if (batchId) dialog.close = openBatch(batchId, desk, { changed: list.refresh, closed: () => isHere && desk.go('coupons') });
    else dialog.close();
  };
  if (id) show(id);
  return {
    close() {
      isHere = false;
      dialog.close();
      list.close();
    },
    move(to) {
      show(to.id);
      return true;
    },
  };
}

async function newBatch(desk) {
  const [rooms, products, sales] = await Promise.all(['rooms', 'products', 'sales'].map((name) => desk.api.all(`/api/v1/${name}`, name).catch(() => [])));
  return createBatch(desk, { rooms, products, sales });
}

function openBatch(id, desk, { changed, closed }) {
  const place = make('div', { class: 'order', tabindex: '-1' });
  const dialog = makeSheet({ title: t('merchant.coupon.batch'), look: 'wide' }, place);
  const loaded = mountLoaded(place, {
    load: () => desk.api.get(apiPath('coupon-batches', id)),
    draw: (batch) =>
      drawBatch(batch, async () => {
        if (!(await grant(batch, desk))) return;
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

function drawBatch(batch, give) {
  const free = Math.max(0, batch.issued - batch.held - batch.spent);
  return [
    make('div', { class: 'order-head' }, make('strong', { text: batch.title, dir: 'auto' })),
    make('p', { class: 'soft', text: discountWords(batch, batch.currency) }),
    shareBar([['sold', batch.spent, t('merchant.coupon.spent')], ['reserved', batch.held, t('merchant.coupon.held')], ['available', free, t('merchant.coupon.unused')]], Math.max(1, batch.issued)),
    facts([
      [t('merchant.coupon.issued'), t('merchant.count.of', { n: units(batch.issued), all: units(batch.issue_max) })],
      [t('merchant.coupon.cost'), make('b', { class: 'tabular', text: money(batch.cost_minor, batch.currency) })],
      [t('merchant.coupon.each'), units(batch.per_user_max)],
      [t('merchant.coupon.starts'), instant(batch.starts_at_ms, t('merchant.coupon.atonce'))],
      [t('merchant.coupon.ends'), instant(batch.ends_at_ms, t('merchant.coupon.openend'))],
      batch.valid_days ? [t('merchant.coupon.lasts'), t('merchant.coupon.lasts.days', { n: units(batch.valid_days) })] : null,
      [t('merchant.coupon.scope'), scopeWords(batch.scope)],
      [t('merchant.coupon.stack'), batch.stack === 'alone' ? t('merchant.coupon.alone') : code(batch.stack)],
      [t('merchant.id'), code(batch.id)],
    ]),
    make('div', { class: 'actions' }, button({ text: t('merchant.coupon.grant'), class: 'button', 'data-key': 'grant', disabled: batch.issued >= batch.issue_max }, give)),
  ];
}

/** Where a coupon counts: the lists of the scope that are not empty. */
function scopeWords(scope) {
  const parts = Object.entries(scope ?? {}).filter(([, ids]) => ids.length);
  if (!parts.length) return t('merchant.coupon.scope.all');
  return make('span', { class: 'stack' }, ...parts.map(([name, ids]) => make('span', { text: `${t(`merchant.coupon.scope.${name}`)}: ${ids.join(', ')}` })));
}

function grant(batch, desk) {
  const user = textField({ name: 'user', label: t('merchant.person.id'), help: t('merchant.person.id.help'), required: true, maxlength: 255, spellcheck: 'false' });
  return ask({
    title: t('merchant.coupon.grant'),
    question: () => {
      const who = user.input.value.trim();
      return who ? t('merchant.ask.grant', { user: who, title: batch.title, words: discountWords(batch, batch.currency) }) : t('merchant.coupon.grant.who');
    },
    fields: [user.root],
    go: () => t('merchant.coupon.grant'),
    act: (requestId) => desk.api.post(apiPath('coupon-batches', batch.id, 'grant'), { user: user.read(), request_id: requestId }),
    done: () => t('merchant.coupon.granted', { user: user.input.value.trim() }),
  });
}
