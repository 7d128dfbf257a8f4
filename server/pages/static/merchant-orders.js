/** Orders: the list with its filters, as a file, and each one in whole. */

import { make } from './dom.js';
import { t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { selectField, textField } from './merchant-fields.js';
import { saveButton } from './merchant-files.js';
import { emptyCard, mountList } from './merchant-load.js';
import { filterBar, instant, money, orderBadge, pageHead, withAll } from './merchant-parts.js';
import { hashOf, linesOf, ORDER_STATES, queryText } from './merchant-rules.js';
import { openOrder } from './merchant-order.js';
import { roomOptions } from './merchant-sales.js';

/** The view of orders; with an id that order is open above it. Returns `{close}`. */
export function openOrders(place, desk, { id, filters }) {
  const body = make('div');
  const bar = make('div');
  place.replaceChildren(pageHead(t('merchant.nav.orders'), { lead: t('merchant.order.lead'), tools: [...fileTools(desk, filters)] }), bar, body);
  drawFilters(bar, desk, filters);
  const isFiltered = Object.values(filters).some(Boolean);
  const list = mountList(body, {
    label: t('merchant.nav.orders'),
    page: (after) => desk.api.page('/api/v1/orders', 'orders', filters, after),
    empty: () =>
      isFiltered
        ? emptyCard('receipt', t('merchant.filter.none'), t('merchant.filter.none.text'), make('a', { class: 'button quiet', href: hashOf('orders'), text: t('merchant.filter.clear') }))
        : emptyCard('receipt', t('merchant.order.none'), t('merchant.order.none.text')),
    columns: [
      { name: t('merchant.order.placed'), cell: (order) => orderLink(order, filters) },
      { name: t('merchant.order.buyer'), cell: (order) => make('bdi', { text: order.user }) },
      { name: t('merchant.sale.goods'), cell: (order) => make('span', { text: linesOf(order), dir: 'auto' }) },
      { name: t('merchant.order.amount'), look: 'number', cell: (order) => money(order.amount_minor, order.currency) },
      { name: t('merchant.state'), cell: (order) => orderBadge(order.state) },
      { name: t('merchant.sale.sale'), cell: (order) => make('span', { text: order.sale }) },
    ],
  });
  let isHere = true;
  const dialog = { close: () => {} };
  const show = (orderId) => {
    if (orderId) dialog.close = openOrder(orderId, desk, { changed: list.refresh, closed: () => isHere && desk.go('orders', '', filters) });
    else dialog.close();
  };
  if (id) show(id);
  return {
    close() {
      isHere = false;
      dialog.close();
      list.close();
    },
    /** The same list with another order above it, or none: the list stays as it is. */
    move(place) {
      if (queryText(place.filters) !== queryText(filters)) return false;
      show(place.id);
      return true;
    },
  };
}

const orderLink = (order, filters) =>
  make('a', { class: 'link', href: hashOf('orders', order.id, filters), 'data-key': order.id, 'aria-label': t('merchant.order.open', { user: order.user }) }, instant(order.placed_at_ms));

/** Orders of one sale as a table for other programs, and everything there is. */
function* fileTools(desk, { sale }) {
  if (sale) {
    yield saveButton(t('merchant.order.csv'), (name) => desk.api.save(apiPath('sales', sale, 'orders.csv'), {}, name), `orders-${sale}.csv`);
  }
  yield saveButton(t('merchant.export'), (name) => desk.api.save('/api/v1/export', {}, name), 'export');
}

async function drawFilters(bar, desk, filters) {
  const draw = (sales, rooms) => {
    const ids = [...new Set([...sales.map(({ id }) => id), filters.sale].filter(Boolean))];
    const fields = [
      selectField({ name: 'sale', label: t('merchant.sale.sale'), value: filters.sale ?? '', options: withAll(ids.map((each) => [each, each])) }),
      selectField({ name: 'room', label: t('merchant.room.room'), value: filters.room ?? '', options: withAll(roomOptions(rooms, filters.room)) }),
      selectField({ name: 'state', label: t('merchant.state'), value: filters.state ?? '', options: withAll(ORDER_STATES.map((each) => [each, t(`order.state.${each}`)])) }),
      textField({ name: 'user', label: t('merchant.order.buyer'), value: filters.user ?? '', placeholder: t('merchant.order.buyer.hint'), maxlength: 255, enterkeyhint: 'search' }),
    ];
    bar.replaceChildren(filterBar(fields, (chosen) => desk.go('orders', '', chosen)));
  };
  draw([], []);
  Promise.all([desk.api.all('/api/v1/sales', 'sales'), desk.api.all('/api/v1/rooms', 'rooms')]).then(
    (found) => bar.isConnected && !bar.contains(document.activeElement) && draw(...found),
    () => {}, // the list below says what is wrong; what is filtered by can still be typed
  );
}
