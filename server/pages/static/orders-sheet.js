/** The list of all orders of this person, in a sheet. */

import { button, make, show, write } from './dom.js';
import { t } from './i18n.js';
import { OrderCards } from './order-cards.js';
import { makeSheet } from './sheet.js';

/**
 * One open sheet; `onClose` when it is gone. `parts` as for `OrderCards`, and `orders`,
 * `fetching()`: `ready`, `loading`, `failed` or `nobody`, and `fetch()` to ask again.
 */
export class OrdersSheet {
  constructor(parts, onClose) {
    this.parts = parts;
    const list = make('ul', { class: 'orders' });
    this.cards = new OrderCards(list, parts);
    this.words = make('p', { class: 'empty', role: 'status' });
    this.again = button({ text: t('purchase.retry'), class: 'button quiet wide' }, parts.fetch);
    this.dialog = makeSheet({ title: t('orders.title'), look: 'orders-sheet' }, list, this.words, this.again);
    this.dialog.addEventListener('close', onClose);
    this.draw();
  }

  draw() {
    const { orders, fetching } = this.parts;
    const open = orders.open();
    const rest = orders.all().filter((order) => !open.includes(order));
    this.cards.draw([...open, ...rest]);
    const how = fetching();
    const empty = open.length + rest.length === 0;
    show(this.again, how === 'failed');
    show(this.words, how === 'failed' || empty);
    write(this.words, t(WORDS[how]));
  }
}

const WORDS = {
  ready: 'orders.empty',
  loading: 'orders.loading',
  failed: 'orders.failed',
  nobody: 'orders.signin',
};
