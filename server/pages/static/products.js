/** Products as the audience sees them: the pinned card, the shelf, and one product's page. */

import { byId, button, icon, make, picture, show } from './dom.js';
import { formatPrice, priceRange } from './format.js';
import { language, onLanguage, t } from './i18n.js';
import { makeSheet, openSheet } from './sheet.js';

/**
 * Show the pinned product and the shelf of the room, now and whenever they change. `visit` is told
 * what is seen and opened; `onShare(product)` shares one.
 */
export function mountProducts(state, { visit, onShare }) {
  const open = (product) => openProduct(product, { visit, onShare });
  const place = byId('pinned-product');
  let shown = '';
  const drawPinned = () => {
    const product = state.pinned;
    const key = product && JSON.stringify([product, language]);
    if (key === shown) return;
    shown = key;
    place.replaceChildren(...(product ? [pinnedCard(product, state, open)] : []));
    if (product) visit.see(place.firstElementChild, product.id);
  };
  const drawShelf = () => {
    const count = state.shelf.length;
    show(byId('bag-count'), count > 0);
    byId('bag-count').textContent = count;
    byId('shelf-count').textContent = count || '';
    show(byId('shelf-empty'), count === 0);
    byId('shelf-list').replaceChildren(
      ...state.shelf.map((product, index) => shelfRow(product, index + 1, state, open)),
    );
    [...byId('shelf-list').children].forEach((row, index) => visit.see(row, state.shelf[index].id));
  };
  const draw = () => {
    drawPinned();
    drawShelf();
  };
  state.on('pinned', draw);
  state.on('shelf', drawShelf);
  state.on('reset', draw);
  onLanguage(draw);
  byId('bag').addEventListener('click', () => openSheet(byId('shelf-sheet')));
  return { open };
}

/** `¥29.90`, with a small "from" where variants cost more. */
export function priceTag(product) {
  const { from, varies } = priceRange(product);
  const price = formatPrice(from, product.currency, language);
  if (!varies) return make('span', { class: 'price tabular', text: price });
  const [before, after] = t('product.from').split('{price}');
  return make(
    'span',
    { class: 'price tabular' },
    before ? make('small', { text: before }) : null,
    price,
    after ? make('small', { text: after }) : null,
  );
}

function pinnedCard(product, state, open) {
  const number = state.shelf.findIndex((each) => each.id === product.id) + 1;
  return make(
    'button',
    { type: 'button', class: 'product-card', on: { click: () => open(product) } },
    make('span', { class: 'product-picture' }, picture(product.image_url), numberTag(number)),
    make(
      'span',
      { class: 'product-words' },
      make('span', { class: 'showing' }, equalizer(), make('span', { text: t('product.showing') })),
      make('span', { class: 'product-title', text: product.title, dir: 'auto' }),
      priceTag(product),
    ),
    make('span', { class: 'product-go' }, make('span', { text: t('product.view') })),
  );
}

function shelfRow(product, number, state, open) {
  const pinned = state.pinned?.id === product.id;
  return make(
    'li',
    {},
    make(
      'button',
      { type: 'button', class: 'shelf-row', on: { click: () => open(product) } },
      make('span', { class: 'product-picture' }, picture(product.image_url), numberTag(number)),
      make(
        'span',
        { class: 'product-words' },
        pinned
          ? make('span', { class: 'showing' }, equalizer(), make('span', { text: t('product.showing') }))
          : null,
        make('span', { class: 'product-title', text: product.title, dir: 'auto' }),
        priceTag(product),
      ),
      icon('chevron'),
    ),
  );
}

const numberTag = (number) =>
  number > 0 ? make('span', { class: 'number tabular', text: number }) : null;

/** Three bars that dance: this is being explained now. */
export const equalizer = () =>
  make('span', { class: 'equalizer', 'aria-hidden': 'true' }, make('i'), make('i'), make('i'));

function openProduct(product, { visit, onShare }) {
  visit.tell('card_open', { product: product.id });
  const rows = (product.skus ?? []).map((sku) =>
    make(
      'li',
      {},
      make('span', { text: sku.title, dir: 'auto' }),
      make('span', {
        class: 'price tabular',
        text: formatPrice(sku.price_minor, product.currency, language),
      }),
    ),
  );
  const dialog = makeSheet(
    { title: t('product.title'), look: 'product-sheet' },
    make('div', { class: 'product-hero' }, picture(product.image_url, product.title)),
    make('h3', { class: 'product-name', text: product.title, dir: 'auto' }),
    priceTag(product),
    rows.length ? make('h4', { class: 'soft', text: t('product.variants') }) : null,
    rows.length ? make('ul', { class: 'variants' }, ...rows) : null,
    make(
      'div',
      { class: 'actions' },
      button({ icon: 'share', text: t('action.share'), class: 'button quiet product-share' }, () => {
        dialog.close();
        onShare(product);
      }),
      button({ text: t('product.back'), class: 'button' }, () => dialog.close()),
    ),
  );
}
