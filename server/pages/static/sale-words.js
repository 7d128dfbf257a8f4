/** How sales and orders are called and pictured, in the reader's language. */

import { formatPrice, formatTimeLeft } from './format.js';
import { language, t } from './i18n.js';
import { deadlineOf } from './sale-rules.js';

const productOf = (state, item) => state.shelf.find((product) => product.id === item?.product);

/** The picture of an item's product, '' when the shelf has none. */
export const pictureOf = (state, item) => productOf(state, item)?.image_url ?? '';

/** The name of a sale: that of its only product, else of its first item and how many there are. */
export function saleTitle(state, sale) {
  const [first] = sale.items;
  const products = new Set(sale.items.map((item) => item.product));
  const product = productOf(state, first);
  if (sale.items.length === 1) return first.title;
  if (products.size === 1 && product) return product.title;
  return t('sale.several', { title: product?.title ?? first.title, n: products.size });
}

/**
 * An item within its sale. Its title says by itself what it is; where all items are of one product,
 * whose name stands above them, that name is left out.
 */
export function itemTitle(state, sale, item) {
  const several = new Set(sale.items.map(({ product }) => product)).size > 1;
  const product = productOf(state, item);
  if (several || !product || !item.title.startsWith(product.title)) return item.title;
  return item.title.slice(product.title.length).replace(/^[\s·:：-]+/u, '') || item.title;
}

/** `White × 2`, and so on for every line of an order; skus of sales that we do not know stay codes. */
export function orderTitle(state, order) {
  const sale = state.sale(order.sale);
  const name = (sku) => {
    const item = sale?.items.find((each) => each.sku === sku);
    return item ? item.title : titleOnShelf(state, sku);
  };
  return order.items.map(({ sku, qty }) => t('order.line', { title: name(sku), n: qty })).join(' · ');
}

function titleOnShelf(state, sku) {
  for (const product of state.shelf) {
    const found = product.skus?.find((each) => each.sku === sku);
    if (found) return t('sale.item', { product: product.title, sku: found.title });
    if (product.id === sku) return product.title;
  }
  return sku;
}

export const money = (minor, currency) => formatPrice(minor, currency, language);

/** `Opens in` and the time left; the time is '' where nothing is counted down. */
export function phaseWords(sale, phase, nowMs) {
  const deadline = deadlineOf(sale, phase);
  if (deadline === null) return { words: t(`sale.phase.${phase}`), left: '' };
  const left = formatTimeLeft(deadline - nowMs);
  return { words: phase === 'countdown' ? t('sale.opens') : t(`sale.ends.${phase}`), left };
}
