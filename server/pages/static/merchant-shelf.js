/** The shelf of a room: which products it shows, and in what order. */

import { button, make, picture } from './dom.js';
import { t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { wireForm } from './merchant-ask.js';
import { selectField } from './merchant-fields.js';
import { mountLoaded } from './merchant-load.js';
import { moneyRange } from './merchant-parts.js';
import { moved, pricesOf } from './merchant-rules.js';
import { makeSheet, toast } from './sheet.js';

/** Load the shelf, then let it be arranged; nothing changes before it is saved. */
export function openShelf(room, desk) {
  const place = make('div');
  const dialog = makeSheet({ title: t('merchant.shelf.title', { title: room.title }) }, place);
  const loading = mountLoaded(place, {
    load: () => Promise.all([desk.api.get(apiPath('rooms', room.id, 'shelf')), desk.api.all('/api/v1/products', 'products')]),
    draw: ([{ products: shelf }, all]) => [arrangeForm(room, desk, shelf, all, dialog)],
    empty: () => make('p'),
  });
  dialog.addEventListener('close', () => loading.close());
}

function arrangeForm(room, desk, shelf, all, dialog) {
  let chosen = shelf;
  const list = make('ol', { class: 'arrange' });
  const none = make('p', { class: 'empty', text: t('merchant.shelf.none') });
  const add = selectField({ name: 'add', label: t('merchant.shelf.add'), options: [] });
  const set = (products, key = '') => {
    chosen = products;
    draw();
    list.querySelector(`[data-key="${CSS.escape(key)}"]:not(:disabled)`)?.focus();
  };
  const draw = () => {
    list.replaceChildren(...chosen.map((product, index) => shelfRow(product, index, chosen, set)));
    none.hidden = chosen.length > 0;
    const left = all.filter((product) => !chosen.some(({ id }) => id === product.id));
    const options = [['', t('merchant.shelf.choose')], ...left.map((product) => [product.id, product.title])];
    add.input.replaceChildren(...options.map(([value, text]) => make('option', { value, text })));
    add.input.disabled = left.length === 0;
  };
  add.input.addEventListener('change', () => {
    const product = all.find(({ id }) => id === add.input.value);
    if (product) set([...chosen, product]);
  });
  draw();
  return wireForm({
    fields: [make('p', { class: 'soft', text: t('merchant.shelf.lead') }), list, none, add.root],
    goWords: t('merchant.save'),
    act: () => desk.api.put(apiPath('rooms', room.id, 'shelf'), { products: chosen.map(({ id }) => id) }),
    onDone: (saved) => {
      dialog.close();
      toast(t('merchant.shelf.saved', { n: saved.products.length }));
    },
    cancel: () => dialog.close(),
  }).form;
}

function shelfRow(product, index, chosen, set) {
  const { id, title } = product;
  return make(
    'li',
    {},
    make('span', { class: 'product-picture' }, picture(product.image_url)),
    make('span', { class: 'two-lines' }, make('b', { text: title, dir: 'auto' }), make('small', { class: 'soft tabular', text: moneyRange(pricesOf(product.skus), product.currency) })),
    button({ icon: 'up', label: t('merchant.shelf.up', { title }), class: 'icon-button', disabled: index === 0, 'data-key': `up-${id}` }, () => set(moved(chosen, index, -1), `up-${id}`)),
    button({ icon: 'down', label: t('merchant.shelf.down', { title }), class: 'icon-button', disabled: index === chosen.length - 1, 'data-key': `down-${id}` }, () => set(moved(chosen, index, 1), `down-${id}`)),
    button({ icon: 'close', label: t('merchant.shelf.remove', { title }), class: 'icon-button' }, () => set(chosen.filter((each) => each !== product))),
  );
}
