/** Where visits and orders come from: every source beside the total, to which they add up. */

import { icon, make } from './dom.js';
import { t } from './i18n.js';
import { selectField } from './merchant-fields.js';
import { mountFilters, roomField } from './merchant-filters.js';
import { emptyCard, mountLoaded, table } from './merchant-load.js';
import { channelName, money, pageHead, units, withAll } from './merchant-parts.js';
import { sumsUp } from './merchant-reward-rules.js';
import { hashOf } from './merchant-rules.js';

const BY = ['channel', 'campaign', 'staff', 'inviter'];

/** The view of the report. Returns `{close}`. */
export function openSources(place, desk, { filters }) {
  const by = BY.includes(filters.by) ? filters.by : 'channel';
  const body = make('div');
  const bar = make('div');
  place.replaceChildren(pageHead(t('merchant.nav.sources'), { lead: t('merchant.source.lead') }), bar, body);
  const drawFilters = (currencies) => mountFilters(bar, desk, (rooms) => fieldsOf(rooms, filters, by, currencies), (chosen) => desk.go('sources', '', chosen));
  drawFilters([]);
  return mountLoaded(body, {
    load: () => desk.api.get('/api/v1/sources', { room: filters.room, sale: filters.sale, currency: filters.currency, by }),
    draw: (report) => {
      if (report.currencies.length > 1) drawFilters(report.currencies);
      return report.sources.length ? drawReport(report, by, filters) : null;
    },
    empty: () => emptyCard('sources', t('merchant.source.none'), t('merchant.source.none.text')),
  });
}

function fieldsOf(rooms, filters, by, currencies) {
  const fields = [
    roomField(rooms, filters.room),
    selectField({ name: 'by', label: t('merchant.source.by'), value: by, options: BY.map((each) => [each, t(`merchant.source.by.${each}`)]) }),
  ];
  if (filters.sale) fields.push(selectField({ name: 'sale', label: t('merchant.sale.sale'), value: filters.sale, options: withAll([[filters.sale, filters.sale]]) }));
  if (currencies.length < 2) return fields; // amounts of several cannot be added up
  const usual = [['', t('merchant.source.currency.most')], ...currencies.map((each) => [each, each])];
  return [...fields, selectField({ name: 'currency', label: t('merchant.source.currency'), value: filters.currency ?? '', options: usual })];
}

/** The table with its total, and whether the sources add up to it. */
function drawReport(report, by, filters) {
  const { sources, total } = report;
  const most = Math.max(1, ...sources.map(({ orders }) => orders));
  const show = (minor) => (report.currency ? money(minor, report.currency) : '–');
  const amount = (name) => (row) => show(row[name]);
  const columns = [
    { name: t(`merchant.source.by.${by}`), cell: (row) => (row === total ? t('merchant.source.total') : sourceCell(row, by, most, filters)) },
    { name: t('merchant.source.visits'), look: 'number', cell: (row) => (row.visits === null ? '–' : units(row.visits)) },
    { name: t('merchant.source.orders'), look: 'number', cell: (row) => units(row.orders) },
    { name: t('merchant.source.bought'), look: 'number', cell: (row) => units(row.paid_orders) },
    { name: t('merchant.source.paid'), look: 'number', cell: amount('paid_minor') },
    { name: t('merchant.source.refunded'), look: 'number', cell: amount('refunded_minor') },
    { name: t('merchant.source.rest'), look: 'number', cell: (row) => show(row.paid_minor - row.refunded_minor) },
  ];
  const frame = table(t('merchant.nav.sources'), columns, [...sources, total]);
  frame.querySelector('tbody tr:last-child').classList.add('total-row');
  const agrees = sumsUp(sources, total);
  return [
    frame,
    make('p', { class: agrees ? 'sum-note good-ink' : 'sum-note bad-ink', role: 'status', data: { agrees: agrees ? 'yes' : 'no' } }, icon(agrees ? 'check' : 'warn'), make('span', { text: t(agrees ? 'merchant.source.agrees' : 'merchant.source.differs') })),
  ];
}

function sourceCell(row, by, most, filters) {
  const share = make('i');
  share.style.width = `${(100 * row.orders) / most}%`;
  const name = by === 'channel' && row.source ? channelName(row.source) : row.source || t('merchant.source.unnamed');
  const href = row.source && hashOf('visits', '', { room: filters.room, [by]: row.source });
  const words = href ? make('a', { class: 'link', href, dir: 'auto', text: name }) : make('span', { text: name });
  return make('div', { class: 'source-cell' }, words, make('span', { class: 'bar', 'aria-hidden': 'true' }, share));
}
