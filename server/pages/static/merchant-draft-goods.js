/** The goods of a draft: variants of products, each with stock, price and a limit per person. */

import { button, make, picture } from './dom.js';
import { t } from './i18n.js';
import { moneyField, row, wholeField } from './merchant-fields.js';
import { code } from './merchant-parts.js';

const UNITS_MAX = 1_000_000_000;
const STOCK = 10;

/**
 * Rows of goods of one currency, and a list to add from. `peek()` gives what is complete as
 * `[{stock, price_minor}]`, `read()` the items as the API takes them or throws `FieldProblem`.
 */
export function goodsFields(products, sale) {
  const variants = products.flatMap((product) => product.skus.map((sku) => ({ ...sku, product })));
  const list = make('ul', { class: 'draft-goods' });
  const select = make('select', { class: 'field', name: 'add' });
  const root = make('div', {}, list, row('add', t('merchant.goods.add'), select));
  let rows = (sale?.items ?? []).map((item) => goodsRow(variantOf(item, variants, sale.currency), item));
  const currency = () => rows[0]?.variant.product.currency ?? sale?.currency ?? products[0].currency;

  const draw = () => {
    rows.forEach((each, number) => each.setNumber(number));
    list.replaceChildren(...rows.map((each) => each.root));
    fillChoices(select, variants, rows, rows.length ? currency() : null);
    list.dispatchEvent(new Event('input', { bubbles: true }));
  };
  select.addEventListener('change', () => {
    const variant = variants[Number(select.value)];
    if (select.value === '' || !variant) return;
    rows.push(goodsRow(variant));
    draw();
    rows.at(-1).stock.input.select();
    rows.at(-1).stock.input.focus();
  });
  list.addEventListener('click', (event) => {
    const gone = event.target.closest('.goods-out');
    if (!gone) return;
    rows = rows.filter((each) => !each.root.contains(gone));
    draw();
    select.focus();
  });
  draw();
  return {
    root,
    currency,
    peek: () =>
      rows
        .map(({ stock, price }) => ({ stock: stock.peek(), price_minor: price.peek() }))
        .filter((item) => item.stock !== null && item.price_minor !== null),
    read: () => rows.map((each) => each.read()),
  };
}

/** The variant of an item; one that is no longer in the lists is known by the item itself. */
function variantOf(item, variants, currency) {
  const known = variants.find(({ sku }) => sku === item.sku);
  return known ?? { sku: item.sku, title: item.title, price_minor: item.price_minor, product: { id: item.product, title: item.title, image_url: '', currency, skus: [] } };
}

function goodsRow(variant, item) {
  const { product, sku } = variant;
  const stock = wholeField({ name: 'stock', label: t('merchant.goods.stock'), value: item?.stock ?? STOCK, least: 1, most: UNITS_MAX });
  const price = moneyField({ name: 'price_minor', label: t('merchant.goods.price', { currency: product.currency }), minor: item?.price_minor ?? variant.price_minor, currency: () => product.currency });
  const limit = wholeField({ name: 'per_user_max', label: t('merchant.goods.each'), value: item?.per_user_max ?? 1, least: 1, most: UNITS_MAX });
  const floor = moneyField({ name: 'floor_minor', label: t('merchant.goods.floor'), help: t('merchant.goods.floor.help'), minor: item?.floor_minor ?? 1, currency: () => product.currency });
  const markup = moneyField({ name: 'markup_max_minor', label: t('merchant.goods.markup'), help: t('merchant.goods.markup.help'), minor: item?.markup_max_minor ?? 0, currency: () => product.currency });
  const title = titleOf(variant);
  const root = make(
    'li',
    {},
    make('div', { class: 'goods-head' },
      make('div', { class: 'with-picture' }, make('span', { class: 'product-picture' }, picture(product.image_url)), make('div', { class: 'two-lines' }, make('b', { text: title, dir: 'auto' }), code(sku))),
      button({ icon: 'close', label: t('merchant.goods.remove', { title }), class: 'icon-button goods-out' }, () => {})),
    make('div', { class: 'form-trio' }, stock.root, price.root, limit.root),
    make('details', { class: 'goods-more', open: Boolean(item && (item.floor_minor > 1 || item.markup_max_minor > 0)) }, make('summary', { text: t('merchant.goods.more') }), make('div', { class: 'form-pair' }, floor.root, markup.root)),
  );
  return {
    root,
    variant,
    stock,
    price,
    setNumber(number) {
      for (const field of [stock, price, limit, floor, markup]) field.root.dataset.field = `items.${number}.${field.input.name}`;
    },
    read: () => ({ sku, product: product.id, stock: stock.read(), price_minor: price.read(), per_user_max: limit.read(), floor_minor: floor.read(), markup_max_minor: markup.read() }),
  };
}

const titleOf = ({ title, product }) => (title === product.title ? title : `${product.title} · ${title}`);

/** Variants that are not chosen yet, under their products; those of another currency are off. */
function fillChoices(select, variants, rows, currency) {
  const chosen = new Set(rows.map(({ variant }) => variant.sku));
  const groups = new Map();
  variants.forEach((variant, index) => {
    if (chosen.has(variant.sku)) return;
    const { product } = variant;
    const group = groups.get(product.id) ?? make('optgroup', { label: product.title, disabled: currency !== null && product.currency !== currency });
    groups.set(product.id, group);
    group.append(make('option', { value: String(index), text: variant.title }));
  });
  select.replaceChildren(make('option', { value: '', text: t('merchant.goods.choose') }), ...groups.values());
  select.disabled = groups.size === 0;
}
