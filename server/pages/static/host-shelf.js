/** The host's shelf: numbered tiles, pinned by a press or by the number keys. */

import { byId, button, isBusyTyping, make, picture, show } from './dom.js';
import { onLanguage, t } from './i18n.js';
import { equalizer, priceTag } from './products.js';

const KEYS_MAX = 9;

/** `pin(productOrNull)` asks the server; `mayPin()` says whether this person may. */
export function mountShelf({ state, pin, mayPin }) {
  const draw = () => {
    show(byId('tiles-empty'), state.ready && state.shelf.length === 0);
    show(byId('shelf-hint'), mayPin());
    const focused = document.activeElement?.dataset.product;
    byId('tiles').replaceChildren(
      ...state.shelf.map((product, index) => tile(product, index + 1, { state, pin, mayPin })),
    );
    if (focused) byId('tiles').querySelector(`[data-product="${CSS.escape(focused)}"]`)?.focus();
  };
  for (const part of ['shelf', 'pinned', 'reset']) state.on(part, draw);
  onLanguage(draw);
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isBusyTyping(event.target)) return;
    if (!mayPin() || !/^[0-9]$/.test(event.key)) return;
    const number = Number(event.key);
    if (number === 0) {
      if (state.pinned) pin(null);
    } else if (state.shelf[number - 1]) {
      pin(state.shelf[number - 1]);
    }
  });
  return draw;
}

function tile(product, number, { state, pin, mayPin }) {
  const pinned = state.pinned?.id === product.id;
  const words = make(
    'span',
    { class: 'product-words' },
    pinned
      ? make('span', { class: 'showing' }, equalizer(), make('span', { text: t('product.showing') }))
      : null,
    make('span', { class: 'product-title', text: product.title, dir: 'auto' }),
    priceTag(product),
  );
  const press = make(
    'button',
    {
      type: 'button',
      class: 'tile-press',
      disabled: !mayPin(),
      'aria-pressed': String(pinned),
      data: { product: product.id },
      on: { click: () => pin(pinned ? null : product) },
    },
    make('span', { class: 'tile-number tabular', text: number, 'aria-hidden': 'true' }),
    make('span', { class: 'product-picture' }, picture(product.image_url)),
    words,
    mayPin()
      ? make('span', { class: 'tile-act', text: t(pinned ? 'shelf.unpin' : 'shelf.pin') })
      : null,
  );
  if (number <= KEYS_MAX && mayPin()) press.setAttribute('aria-keyshortcuts', String(number));
  return make('li', { class: `tile${pinned ? ' pinned' : ''}` }, press);
}

/** The list of shortcuts, as rows for a help dialog. */
export const shelfKeys = () => [
  ['1 – 9', t('help.pin')],
  ['0', t('help.unpin')],
];

/** Shown in the comments' place when a pinned comment can be taken down. */
export const unpinButton = (onPress) =>
  button({ icon: 'close', label: t('comment.unpin'), class: 'icon-button' }, onPress);
