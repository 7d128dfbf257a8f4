/** A price of one's own: what a reseller adds to each sku of a product, within the shop's cap. */

import { make, show, write } from './dom.js';
import { t } from './i18n.js';
import { parseMoney, plainMoney } from './merchant-numbers.js';
import { money } from './sale-words.js';

const SETTLED_MS = 500; // after the last key: a link is made for each price

/**
 * `element` is empty until `offer` names what may be priced. `onTyping()` at each key: what was shared
 * before is not this price; `onChange()` when the prices stand and are right.
 */
export class MarkupForm {
  #rows = [];
  #timer;

  constructor({ desk, onTyping, onChange }) {
    Object.assign(this, { desk, onTyping, onChange });
    this.list = make('ul', { class: 'markups' });
    this.element = make(
      'details',
      { class: 'markup unfold', hidden: true },
      make('summary', { text: t('markup.title') }),
      make('p', { class: 'soft', text: t('markup.text') }),
      this.list,
    );
  }

  /** Ask for prices of these skus of the product: `{sku: the most that may be added}`. */
  offer(product, caps) {
    if (!product || !caps || this.#rows.length) return;
    for (const sale of this.desk.state.sales) {
      for (const item of sale.items) {
        const isNew = this.#rows.every(({ sku }) => sku !== item.sku);
        if (isNew && item.product === product.id && caps[item.sku] > 0) this.#add(sale, item, caps[item.sku]);
      }
    }
    show(this.element, this.#rows.length > 0);
  }

  /** Whether every price is one that may be asked. */
  get isRight() {
    return this.#rows.every((row) => this.#more(row) !== null);
  }

  /** `{sku: what is added}`, of the prices that are right and above the shop's. */
  values() {
    const priced = this.#rows.map((row) => [row.sku, this.#more(row)]).filter(([, more]) => more > 0);
    return Object.fromEntries(priced);
  }

  /** The lowest price of a product as it will be shared, in words, or ''. */
  priceOf(product) {
    if (!product) return '';
    const items = this.desk.state.sales.flatMap((sale) => sale.items.map((item) => ({ ...item, currency: sale.currency })));
    const own = items.filter((item) => item.product === product.id);
    if (!own.length) return '';
    const priced = own.map(({ sku, price_minor: price }) => price + (this.values()[sku] ?? 0));
    return money(Math.min(...priced), own[0].currency);
  }

  #add(sale, item, cap) {
    const { currency } = sale;
    const base = item.base_minor ?? item.price_minor;
    const input = make('input', { class: 'field', inputmode: 'decimal', value: plainMoney(base, currency), 'aria-label': t('markup.price', { title: item.title }) });
    const told = make('span', { class: 'soft', role: 'status' });
    const row = { sku: item.sku, base, cap, currency, input, told };
    input.addEventListener('input', () => {
      this.#say(row);
      this.onTyping();
      clearTimeout(this.#timer);
      if (this.isRight) this.#timer = setTimeout(this.onChange, SETTLED_MS);
    });
    this.#rows.push(row);
    const label = make('span', { class: 'markup-title', text: item.title, dir: 'auto' });
    this.list.append(make('li', {}, label, input, told));
    this.#say(row);
  }

  /** What a row adds, or null when it is no price within the bounds. */
  #more({ input, base, cap, currency }) {
    const price = parseMoney(input.value, currency);
    const more = price === null ? null : price - base;
    return more !== null && more >= 0 && more <= cap ? more : null;
  }

  #say(row) {
    const { base, cap, currency, input, told } = row;
    const more = this.#more(row);
    input.setAttribute('aria-invalid', String(more === null));
    told.dataset.tone = more === null ? 'bad' : '';
    const bounds = { least: money(base, currency), most: money(base + cap, currency) };
    write(told, more === null ? t('markup.bounds', bounds) : t('markup.earn', { price: money(more, currency), ...bounds }));
  }
}
