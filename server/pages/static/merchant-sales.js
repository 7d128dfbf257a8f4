/** Sales: the list, by room and state. */

import { icon, make } from './dom.js';
import { t } from './i18n.js';
import { selectField } from './merchant-fields.js';
import { emptyCard, mountList } from './merchant-load.js';
import { deskLink, filterBar, instant, moneyRange, pageHead, saleBadge, units, withAll } from './merchant-parts.js';
import { goodsOf, hashOf, pricesOf, SALE_STATES } from './merchant-rules.js';

/** The view of all sales. Returns `{close}`. */
export function openSales(place, desk, { filters }) {
  const body = make('div');
  const bar = make('div');
  const create = () => make('a', { class: 'button', href: hashOf('draft', '', filters.room ? { room: filters.room } : {}) }, icon('plus'), make('span', { text: t('merchant.sale.new') }));
  place.replaceChildren(pageHead(t('merchant.nav.sales'), { lead: t('merchant.sale.lead'), tools: [create()] }), bar, body);
  drawFilters(bar, desk, filters);
  const isFiltered = Object.values(filters).some(Boolean);
  return mountList(body, {
    label: t('merchant.nav.sales'),
    page: (after) => desk.api.page('/api/v1/sales', 'sales', filters, after),
    empty: () =>
      isFiltered
        ? emptyCard('flash', t('merchant.filter.none'), t('merchant.filter.none.text'), make('a', { class: 'button quiet', href: hashOf('sales'), text: t('merchant.filter.clear') }))
        : emptyCard('flash', t('merchant.sale.none'), t('merchant.sale.none.text'), create()),
    columns: [
      { name: t('merchant.sale.sale'), cell: (sale) => make('div', { class: 'two-lines' }, deskLink(sale.id, 'sales', sale.id), make('small', { class: 'soft', text: t('merchant.sale.in', { room: sale.room }) })) },
      { name: t('merchant.state'), cell: (sale) => saleBadge(sale.state) },
      { name: t('merchant.sale.starts'), cell: (sale) => instant(sale.starts_at_ms, t('merchant.sale.byhand')) },
      { name: t('merchant.price'), look: 'number', cell: (sale) => moneyRange(pricesOf(sale.items) ?? { from: 0, to: 0 }, sale.currency) },
      { name: t('merchant.sale.left'), look: 'number', cell: leftOf },
    ],
  });
}

/** Units that are left of those on sale; a draft has only what is planned. */
function leftOf(sale) {
  const all = goodsOf(sale.items).units;
  if (sale.state === 'draft') return t('merchant.sale.planned', { n: units(all) });
  return t('merchant.sale.left.of', { n: units(goodsOf(sale.items, (item) => item.available).units), all: units(all) });
}

/** The choices appear when the rooms are known; without them there is still the state. */
async function drawFilters(bar, desk, filters) {
  const state = selectField({ name: 'state', label: t('merchant.state'), value: filters.state ?? '', options: withAll(SALE_STATES.map((each) => [each, t(`merchant.sale.state.${each}`)])) });
  const draw = (rooms) => {
    const room = selectField({ name: 'room', label: t('merchant.room.room'), value: filters.room ?? '', options: withAll(roomOptions(rooms, filters.room)) });
    bar.replaceChildren(filterBar([room, state], (chosen) => desk.go('sales', '', chosen)));
  };
  draw([]);
  desk.api.all('/api/v1/rooms', 'rooms').then(draw, () => {});
}

/** Rooms to choose from; one that is chosen already is among them whatever was loaded. */
export function roomOptions(rooms, chosen) {
  const options = rooms.map((room) => [room.id, room.title]);
  return !chosen || rooms.some(({ id }) => id === chosen) ? options : [...options, [chosen, chosen]];
}
