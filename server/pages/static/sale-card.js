/** The sale in the room, as one card: what, how much, how many are left, and until when. */

import { byId, icon, make, picture, show, write } from './dom.js';
import { formatCount, formatTimeLeft } from './format.js';
import { language, t } from './i18n.js';
import { priceTag } from './products.js';
import { phaseOf, unitsLeft, unitsOnSale, worthShowing } from './sale-rules.js';
import { phaseWords, pictureOf, saleTitle } from './sale-words.js';

const TICKER_SHOWN_MS = 4000;
const LOW_SHARE = 0.2;

/**
 * The card in `#sale-place`. `parts`: `state`, `clock`, `orders`, `purchases`, `visit`,
 * `onOpen(sale)`, `onOrders()`. Call `draw` whenever anything may have changed; it patches.
 */
export class SaleCard {
  #chosen = null; // the id of the sale that was asked for with "next"
  #pictured = null;
  #priced = '';
  #tickerTimer;

  constructor(parts) {
    this.parts = parts;
    this.#build();
    for (const one of [this.element, this.due]) show(one, false);
    byId('sale-place').append(this.due, this.element);
  }

  /** The sale that is on the card now, or undefined. */
  get sale() {
    const shown = this.#shown();
    return shown.find(({ id }) => id === this.#chosen) ?? shown[0];
  }

  #shown() {
    const { state, clock } = this.parts;
    return worthShowing(state.sales, clock.now());
  }

  draw() {
    this.#drawDue();
    const { sale } = this;
    const { state, clock } = this.parts;
    const isPinned = sale?.items.some((item) => item.product === state.pinned?.id);
    byId('pinned-product').dataset.inSale = isPinned ? 'yes' : 'no'; // one card is enough on a phone
    show(this.element, Boolean(sale));
    if (!sale) return;
    const nowMs = clock.now();
    const phase = phaseOf(sale, nowMs, clock.errorMs);
    const { words, left } = phaseWords(sale, phase, nowMs);
    this.element.dataset.phase = phase;
    this.element.dataset.sale = sale.id;
    this.parts.visit.see(this.element, sale.items[0].product);
    this.#drawPicture(pictureOf(state, sale.items[0]));
    write(this.words, words);
    write(this.left, left);
    show(this.left, left !== '');
    write(this.title, saleTitle(state, sale));
    this.#drawPrice(sale);
    this.#drawStock(sale, phase);
    write(this.go, this.parts.purchases.of(sale.id) ? t('sale.buy.busy') : t(`sale.go.${phase}`));
    const shown = this.#shown();
    show(this.next, shown.length > 1);
    const i = shown.indexOf(sale) + 1;
    this.next.setAttribute('aria-label', t('sale.next', { i, n: shown.length }));
    write(this.next.firstElementChild, `${i}/${shown.length}`);
  }

  /** Somebody has bought: say so for a moment, to eyes only. */
  tell({ count, names = [] }) {
    const list = names.join(t('ticker.and'));
    const key = !names.length ? 'ticker.count' : count > names.length ? 'ticker.many' : 'ticker.some';
    const place = byId('ticker');
    write(place.lastElementChild, t(key, { names: list, n: formatCount(count, language) }));
    show(place, true);
    clearTimeout(this.#tickerTimer);
    this.#tickerTimer = setTimeout(() => show(place, false), TICKER_SHOWN_MS);
  }

  #build() {
    const { onOpen, onOrders } = this.parts;
    this.dueWords = make('span', { class: 'tabular' });
    this.due = make(
      'button',
      { type: 'button', class: 'sale-due', on: { click: onOrders } },
      icon('receipt'),
      this.dueWords,
      icon('chevron'),
    );
    this.place = make('span', { class: 'product-picture' });
    this.words = make('span', { class: 'sale-phase' });
    this.left = make('span', { class: 'sale-left tabular' });
    this.title = make('span', { class: 'product-title', dir: 'auto' });
    this.price = make('span', { class: 'sale-price' });
    this.stock = make('span', { class: 'sale-stock tabular' });
    this.bar = make('i');
    this.go = make('span', { class: 'sale-go' });
    this.press = make(
      'button',
      { type: 'button', class: 'sale-press', 'aria-keyshortcuts': 'b', on: { click: () => onOpen(this.sale) } },
      this.place,
      make(
        'span',
        { class: 'product-words' },
        make('span', { class: 'sale-head' }, icon('flash'), this.words, this.left, this.stock),
        this.title,
        make('span', { class: 'bar-track', 'aria-hidden': 'true' }, this.bar),
        make('span', { class: 'sale-sum' }, this.price, this.go),
      ),
    );
    this.next = make(
      'button',
      { type: 'button', class: 'sale-next tabular', on: { click: () => this.#showNext() } },
      make('span'),
    );
    this.element = make('div', { class: 'sale-card' }, this.press, this.next);
  }

  #showNext() {
    const shown = this.#shown();
    const at = shown.indexOf(this.sale);
    this.#chosen = shown[(at + 1) % shown.length].id;
    this.draw();
  }

  #drawPicture(url) {
    if (this.#pictured === url) return;
    this.#pictured = url;
    this.place.replaceChildren(picture(url));
  }

  #drawPrice(sale) {
    const priced = JSON.stringify([sale.items.map((item) => item.price_minor), sale.currency, language]);
    if (this.#priced === priced) return;
    this.#priced = priced;
    this.price.replaceChildren(priceTag({ skus: sale.items, currency: sale.currency }));
  }

  #drawStock(sale, phase) {
    const left = unitsLeft(sale);
    const whole = unitsOnSale(sale);
    const n = formatCount(phase === 'open' ? left : whole, language);
    const over = phase === 'closed' || phase === 'sold_out';
    write(this.stock, over ? '' : t(phase === 'open' ? 'sale.left' : 'sale.units', { n }));
    show(this.bar.parentElement, phase === 'open' && whole > 0);
    this.bar.style.width = `${((left / Math.max(1, whole)) * 100).toFixed(1)}%`;
    this.element.dataset.low = phase === 'open' && left <= whole * LOW_SHARE ? 'yes' : 'no';
  }

  #drawDue() {
    const { orders, clock } = this.parts;
    const [first] = orders.open();
    show(this.due, Boolean(first));
    if (!first) return;
    const leftMs = first.state === 'reserved' ? first.expires_at_ms - clock.now() : null;
    this.due.dataset.urgent = leftMs !== null && leftMs < 60_000 ? 'yes' : 'no';
    if (leftMs === null) write(this.dueWords, t('orders.waiting'));
    else if (leftMs > 0) write(this.dueWords, t('orders.due', { left: formatTimeLeft(leftMs) }));
    else write(this.dueWords, t('orders.due.over'));
  }
}
