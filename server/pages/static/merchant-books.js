/** The books of a sale: Redis beside the ledger, whether they agree, and how far behind it is. */

import { icon, make } from './dom.js';
import { language, t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { selectField } from './merchant-fields.js';
import { emptyCard, mountLoaded } from './merchant-load.js';
import { formatSecond } from './merchant-numbers.js';
import { code, filterBar, pageHead, saleBadge, units } from './merchant-parts.js';
import { booksBySku, booksVerdict, hashOf, isRunning } from './merchant-rules.js';

const AGAIN_MS = 3000;
const QUIET_AGAIN_MS = 15_000;

/** The view of books; without an id those of the first sale that runs. Returns `{close}`. */
export function openBooks(place, desk, { id }) {
  const body = make('div');
  const bar = make('div');
  place.replaceChildren(pageHead(t('merchant.nav.books'), { lead: t('merchant.books.lead') }), bar, body);
  let sales = null;
  return mountLoaded(body, {
    load: async () => {
      sales ??= (await desk.api.all('/api/v1/sales', 'sales')).filter(({ state }) => state !== 'draft');
      const chosen = id || (sales.find(({ state }) => isRunning(state)) ?? sales[0])?.id;
      if (!chosen) return null;
      if (!bar.hasChildNodes()) bar.replaceChildren(saleChoice(sales, chosen, desk));
      const [sale, books] = await Promise.all([desk.api.get(apiPath('sales', chosen)), desk.api.get(apiPath('sales', chosen, 'books'))]);
      return { sale, books, titles: new Map(sale.items.map((item) => [item.sku, item.title])) };
    },
    draw: (found) => found && drawBooks(found),
    empty: () => emptyCard('books', t('merchant.books.none'), t('merchant.books.none.text'), make('a', { class: 'button quiet', href: hashOf('sales'), text: t('merchant.nav.sales') })),
    again: (found) => (found && isRunning(found.sale.state) ? AGAIN_MS : QUIET_AGAIN_MS),
  });
}

function saleChoice(sales, chosen, desk) {
  const ids = [...new Set([...sales.map(({ id }) => id), chosen])];
  const choice = selectField({ name: 'sale', label: t('merchant.sale.sale'), value: chosen, options: ids.map((each) => [each, each]) });
  return filterBar([choice], ({ sale }) => desk.go('books', sale));
}

function drawBooks({ sale, books, titles }) {
  const rows = booksBySku(books);
  return [
    verdictCard(sale, books, rows),
    books.redis ? null : make('div', { class: 'banner' }, icon('warn'), make('p', { text: t('merchant.books.nolive', { why: books.why ?? '' }) })),
    make('ul', { class: 'books' }, ...rows.map((each) => skuCard(each, titles.get(each.sku) ?? each.sku, books))),
    make('p', { class: 'soft', text: t('merchant.books.rule') }),
  ].filter(Boolean);
}

const MARKS = { agree: 'check', behind: 'clock', differ: 'warn', unknown: 'help' };

function verdictCard(sale, books, rows) {
  const verdict = rows.some(({ balanced }) => balanced === false) ? 'differ' : booksVerdict(books);
  const lag = units(books.lag ?? 0);
  const detail = books.redis && ['differ', 'unknown'].includes(verdict) ? books.why : '';
  const why = [t(`merchant.books.${verdict}.text`, { n: lag }), detail].filter(Boolean).join(' ');
  return make(
    'section',
    { class: 'verdict', role: 'status', data: { verdict } },
    make('span', { class: 'verdict-mark' }, icon(MARKS[verdict])),
    make('div', { class: 'two-lines' }, make('h2', { text: t(`merchant.books.${verdict}`) }), make('p', { text: why })),
    make('dl', { class: 'verdict-facts' },
      fact(t('merchant.state'), saleBadge(sale.state)),
      fact(t('merchant.books.lag'), make('span', { class: 'tabular', text: lag })),
      fact(t('merchant.books.asof'), make('time', { class: 'tabular', datetime: new Date(books.at_ms).toISOString(), text: formatSecond(books.at_ms, language) }))),
  );
}

const fact = (name, value) => make('div', {}, make('dt', { text: name }), make('dd', {}, value));

function skuCard({ sku, balanced, counters }, title, books) {
  const head = make('tr', {}, ...[t('merchant.books.counter'), t('merchant.books.live'), t('merchant.books.ledger')].map((text) => make('th', { scope: 'col', text })));
  const behind = booksVerdict(books) === 'behind';
  const number = (value) => make('td', { class: 'tabular', text: value === null ? '–' : units(value) });
  const lines = counters.map(({ name, live, ledger, differs }) =>
    make(
      'tr',
      { data: { counter: name, differs: differs ? (behind ? 'soon' : 'yes') : 'no' } },
      make('th', { scope: 'row' }, t(`merchant.counter.${name}`), differs ? make('span', { class: 'only-read', text: ` ${t('merchant.books.differs')}` }) : null),
      number(live),
      number(ledger),
    ),
  );
  return make(
    'li',
    { class: 'card', data: { sku } },
    make('div', { class: 'goods-head' }, make('div', { class: 'two-lines' }, make('b', { text: title, dir: 'auto' }), code(sku)),
      balanced === null ? null : make('span', { class: 'state', data: { state: balanced ? 'good' : 'bad' }, text: t(balanced ? 'merchant.books.balanced' : 'merchant.books.unbalanced') })),
    make('table', { class: 'books-table' }, make('thead', {}, head), make('tbody', {}, ...lines)),
  );
}
