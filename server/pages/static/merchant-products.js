/** Products: the list, and a new one. A product stays as it was created. */

import { button, make, picture } from './dom.js';
import { t } from './i18n.js';
import { ask, FieldProblem } from './merchant-ask.js';
import { currencyField, moneyField, textField } from './merchant-fields.js';
import { emptyCard, mountList } from './merchant-load.js';
import { code, money, moneyRange, pageHead, variantsOf } from './merchant-parts.js';
import { pricesOf } from './merchant-rules.js';
import { newId } from './outbox.js';

const VARIANTS_MAX = 50;

/** The view of all products. Returns `{close}`. */
export function openProducts(place, desk) {
  const body = make('div');
  const create = () => button({ text: t('merchant.product.new'), class: 'button', 'data-key': 'new' }, () => createProduct(desk).then((made) => made && list.refresh()));
  place.replaceChildren(pageHead(t('merchant.nav.products'), { lead: t('merchant.product.lead'), tools: [create()] }), body);
  const list = mountList(body, {
    label: t('merchant.nav.products'),
    page: (after) => desk.api.page('/api/v1/products', 'products', {}, after),
    empty: () => emptyCard('bag', t('merchant.product.none'), t('merchant.product.none.text'), create()),
    columns: [
      { name: t('merchant.product.product'), cell: productName },
      { name: t('merchant.price'), look: 'number', cell: (product) => moneyRange(pricesOf(product.skus), product.currency) },
      { name: t('merchant.product.variants'), cell: variantList },
    ],
  });
  return list;
}

const productName = (product) =>
  make(
    'div',
    { class: 'with-picture' },
    make('span', { class: 'product-picture' }, picture(product.image_url)),
    make('span', { class: 'two-lines' }, make('b', { text: product.title, dir: 'auto' }), code(product.id)),
  );

/** A product without variants is its only one, under its own id: nothing to tell. */
const hasVariants = ({ id, skus }) => skus.length > 1 || skus[0].sku !== id;

const variantList = (product) =>
  hasVariants(product) ? variantRows(product) : make('span', { class: 'soft', text: '–' });

const variantRows = (product) =>
  make(
    'ul',
    { class: 'variant-list' },
    ...product.skus.map((sku) =>
      make('li', {}, make('span', { text: sku.title, dir: 'auto' }), code(sku.sku), make('span', { class: 'tabular', text: money(sku.price_minor, product.currency) })),
    ),
  );

function createProduct(desk) {
  const currency = currencyField();
  const currencyNow = currency.peek;
  const title = textField({ name: 'title', label: t('merchant.product.title'), required: true, maxlength: 120 });
  const price = moneyField({ name: 'price_minor', label: t('merchant.price'), currency: currencyNow });
  const image = textField({ name: 'image_url', label: t('merchant.product.image'), help: t('merchant.product.image.help'), inputmode: 'url' });
  const id = textField({ name: 'id', label: t('merchant.id.optional'), help: t('merchant.product.id.help'), maxlength: 64, spellcheck: 'false' });
  const variants = variantFields(currencyNow, price);
  const madeId = `p-${newId().replace(/-/g, '').slice(0, 10)}`;

  const question = () => {
    const prices = variants.peek() ?? (price.peek() === null ? null : [price.peek()]);
    if (prices === null || !prices.length || prices.includes(null)) return t('merchant.product.unfinished');
    const range = moneyRange({ from: Math.min(...prices), to: Math.max(...prices) }, currencyNow());
    return t('merchant.product.question', { title: title.input.value.trim() || '…', variants: variantsOf(prices.length), price: range });
  };
  return ask({
    title: t('merchant.product.new'),
    look: 'wide',
    question,
    fields: [title.root, make('div', { class: 'form-pair' }, price.root, currency.root), image.root, variants.root, id.root],
    go: () => t('merchant.product.create'),
    act: () => {
      const productId = id.read() || madeId;
      const body = { id: productId, title: title.read(), price_minor: price.read(), currency: currency.read(), image_url: image.read(), skus: variants.read(productId) };
      return desk.api.post('/api/v1/products', body);
    },
    done: (product) => t('merchant.product.created', { title: product.title }),
  });
}

/** Rows of variants, each with a name, a price and an id that is made if it is left empty. */
function variantFields(currency, basePrice) {
  let rows = [];
  const list = make('div', { class: 'variants-edit' });
  const add = button({ text: t('merchant.variant.add'), class: 'text-button' }, () => {
    rows.push(variantRow(currency, basePrice));
    draw();
    rows.at(-1).title.input.focus();
  });
  const draw = () => {
    rows.forEach((each, number) => each.setNumber(number));
    list.replaceChildren(...rows.map((each) => each.root));
    add.disabled = rows.length >= VARIANTS_MAX;
    list.dispatchEvent(new Event('input', { bubbles: true }));
  };
  list.addEventListener('click', (event) => {
    const gone = event.target.closest('.variant-out');
    if (!gone) return;
    rows = rows.filter(({ root }) => !root.contains(gone));
    draw();
    add.focus();
  });
  const root = make('fieldset', { class: 'form-row' }, make('legend', { text: t('merchant.product.variants') }), make('p', { class: 'help', text: t('merchant.variant.help') }), list, add);
  return {
    root,
    /** Prices of the variants, null where one is not an amount; null when there is no variant. */
    peek: () => (rows.length ? rows.map((each) => each.price.peek()) : null),
    read(productId) {
      const skus = rows.map(({ title, sku, price }, index) => ({ sku: sku.read() || `${productId}-${index + 1}`, title: title.read(), price_minor: price.read() }));
      const twice = skus.findIndex(({ sku }, index) => skus.findIndex((each) => each.sku === sku) !== index);
      if (twice >= 0) throw new FieldProblem(`skus.${twice}.sku`, t('merchant.variant.twice'));
      return skus;
    },
  };
}

function variantRow(currency, basePrice) {
  const title = textField({ name: 'title', label: t('merchant.variant.title'), required: true, maxlength: 120 });
  const price = moneyField({ name: 'price_minor', label: t('merchant.price'), minor: basePrice.peek(), currency });
  const sku = textField({ name: 'sku', label: t('merchant.id.optional'), maxlength: 64, spellcheck: 'false' });
  const out = button({ icon: 'close', label: t('merchant.variant.remove'), class: 'icon-button variant-out' }, () => {});
  const root = make('div', { class: 'variant-row' }, title.root, price.root, sku.root, out);
  /** The server names fields by their place in the list. */
  const setNumber = (number) => {
    for (const { root: each, input } of [title, price, sku]) each.dataset.field = `skus.${number}.${input.name}`;
  };
  return { title, price, sku, root, setNumber };
}
