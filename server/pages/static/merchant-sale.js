/** One sale: its state, its goods with their counters, and what can be done to it now. */

import { button, icon, make } from './dom.js';
import { language, t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { mountLoaded } from './merchant-load.js';
import { formatSpan } from './merchant-numbers.js';
import { code, deskLink, facts, instant, money, outLink, pageHead, saleBadge, shareBar, units, unitsOf, variantsOf } from './merchant-parts.js';
import { actsOf, goodsOf, hashOf, isRunning } from './merchant-rules.js';
import { SALE_ACTS } from './merchant-sale-acts.js';

const AGAIN_MS = 3000;
const SHOWS_REASON = new Set(['paused', 'closed', 'frozen']);

/** The view of one sale. Returns `{close}`. */
export function openSale(place, desk, { id }) {
  const loaded = mountLoaded(place, {
    load: async () => {
      const sale = await desk.api.get(apiPath('sales', id));
      return { sale, counts: await countsOf(desk, sale) };
    },
    draw: ({ sale, counts }) => drawSale(sale, counts, desk, () => loaded.refresh()),
    again: ({ sale }) => (isRunning(sale.state) ? AGAIN_MS : 0),
  });
  return loaded;
}

/** Counters by sku from the store; empty where they cannot be had: the sale is shown without. */
async function countsOf(desk, sale) {
  if (sale.state === 'draft') return new Map();
  try {
    const books = await desk.api.get(apiPath('sales', sale.id, 'books'));
    const items = books.redis?.items ?? books.ledger?.items ?? [];
    return new Map(items.map((item) => [item.sku, item]));
  } catch (error) {
    if (error.status === 401) throw error;
    return new Map();
  }
}

function drawSale(sale, counts, desk, changed) {
  const tools = actsOf(sale.state).map((act, index) => actButton(act, index, { sale, counts, desk, changed }));
  return [
    pageHead(sale.id, { back: { href: hashOf('sales'), words: t('merchant.nav.sales') }, beside: saleBadge(sale.state), tools }),
    sale.source === 'ledger' ? make('div', { class: 'banner' }, icon('warn'), make('p', { text: t('merchant.sale.asledger') })) : null,
    sale.state === 'frozen' ? make('div', { class: 'banner bad', role: 'alert' }, icon('warn'), make('p', { text: t('merchant.sale.frozen') })) : null,
    SHOWS_REASON.has(sale.state) && sale.reason ? make('div', { class: 'banner' }, icon('chat'), make('p', { text: t('merchant.sale.reason', { reason: sale.reason }), dir: 'auto' })) : null,
    make('section', { class: 'card' }, saleFacts(sale)),
    make('h2', { class: 'section', text: t('merchant.sale.goods') }),
    make('ul', { class: 'goods' }, ...sale.items.map((item) => goodsCard(item, counts.get(item.sku), sale))),
    totalLine(sale),
  ].filter(Boolean);
}

function actButton(act, index, about) {
  const words = t(`merchant.act.${act}`);
  const key = `act-${act}`;
  if (act === 'edit') return make('a', { class: 'button quiet', href: hashOf('draft', about.sale.id), 'data-key': key, text: words });
  const look = `button${index ? ' quiet' : ''}`;
  return button({ text: words, class: look, 'data-key': key }, () =>
    SALE_ACTS[act](about).then((done) => done && about.changed()));
}

function saleFacts(sale) {
  const orders = sale.state === 'draft' ? null : [t('merchant.sale.more'), make('span', { class: 'links' },
    deskLink(t('merchant.nav.orders'), 'orders', '', { sale: sale.id }),
    deskLink(t('merchant.nav.books'), 'books', sale.id),
    deskLink(t('merchant.nav.sources'), 'sources', '', { sale: sale.id }))];
  const rehearse = sale.state === 'closed' ? null : [t('merchant.nav.rehearsals'), deskLink(t('merchant.rehearse.sale'), 'rehearse', '', { sale: sale.id })];
  return facts([
    [t('merchant.room.room'), make('span', { class: 'links' }, code(sale.room),
      outLink(t('merchant.room.viewer'), `/r/${encodeURIComponent(sale.room)}`),
      outLink(t('merchant.room.console'), `/host/${encodeURIComponent(sale.room)}`))],
    [t('merchant.sale.starts'), instant(sale.starts_at_ms, t('merchant.sale.byhand'))],
    [t('merchant.sale.ends'), instant(sale.ends_at_ms, t('merchant.sale.openend'))],
    [t('merchant.sale.hold'), formatSpan(sale.hold_seconds, language)],
    orders,
    rehearse,
  ]);
}

function goodsCard(item, count, sale) {
  const isDraft = sale.state === 'draft';
  const available = count?.available ?? item.available;
  const shares = count
    ? shareBar([
        ['sold', count.sold, t('merchant.counter.sold')],
        ['reserved', count.reserved, t('merchant.counter.reserved')],
        ['available', available, t('merchant.counter.available')],
      ], count.initial)
    : null;
  const waiting = count?.waiting ?? item.waiting;
  return make(
    'li',
    { class: 'card', data: { sku: item.sku } },
    make('div', { class: 'goods-head' },
      make('div', { class: 'two-lines' }, make('b', { text: item.title, dir: 'auto' }), code(item.sku)),
      make('span', { class: 'price tabular', text: money(item.price_minor, sale.currency) })),
    make('p', { class: 'soft', text: goodsWords(item, isDraft, count, waiting) }),
    isDraft ? null : (shares ?? make('p', { class: 'tabular', text: t('merchant.sale.left.of', { n: units(available), all: units(item.stock) }) })),
  );
}

function goodsWords(item, isDraft, count, waiting) {
  const words = [t('merchant.goods.limit', { n: units(item.per_user_max) })];
  words.unshift(t(isDraft ? 'merchant.goods.planned' : 'merchant.goods.onsale', { n: units(count?.initial ?? item.stock) }));
  if (waiting > 0) words.push(t('merchant.goods.waiting', { n: units(waiting) }));
  return words.join(' · ');
}

function totalLine(sale) {
  const { skus, units: all, worth } = goodsOf(sale.items);
  return make('p', { class: 'total soft', text: t('merchant.sale.total', { variants: variantsOf(skus), n: unitsOf(all), worth: money(worth, sale.currency) }) });
}
