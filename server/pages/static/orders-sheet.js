/** The list of all orders of this person, in a sheet. */

import { couponLife, couponTerms } from './coupon-words.js';
import { button, make, show, write } from './dom.js';
import { t } from './i18n.js';
import { OrderCards } from './order-cards.js';
import { makeSheet } from './sheet.js';

/**
 * One open sheet; `onClose` when it is gone. `parts` as for `OrderCards`, and `orders`, `coupons`,
 * `fetching()`: `ready`, `loading`, `failed` or `nobody`, `fetch()` to ask again,
 * `hasRewards()` (they may be shown to this person here) and `openRewards()`.
 */
export class OrdersSheet {
  constructor(parts, onClose) {
    this.parts = parts;
    const list = make('ul', { class: 'orders' });
    this.cards = new OrderCards(list, parts);
    this.words = make('p', { class: 'empty', role: 'status' });
    this.again = button({ text: t('purchase.retry'), class: 'button quiet wide' }, parts.fetch);
    this.coupons = make('ul', { class: 'coupon-list' });
    this.mine = make('details', { class: 'my-coupons unfold' }, make('summary', { text: t('coupon.mine') }), this.coupons);
    this.rewards = button({ icon: 'gift', text: t('reward.mine'), class: 'button quiet wide my-rewards' }, () => {
      this.dialog.close();
      parts.openRewards();
    });
    this.dialog = makeSheet(
      { title: t('orders.title'), look: 'orders-sheet' },
      this.rewards, this.mine, list, this.words, this.again,
    );
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
    this.#drawCoupons();
  }

  #drawCoupons() {
    const coupons = this.parts.coupons.all();
    show(this.mine, coupons.length > 0);
    show(this.rewards, this.parts.hasRewards());
    this.coupons.replaceChildren(
      ...coupons.map((coupon) =>
        make(
          'li',
          { class: 'coupon', data: { state: coupon.state, coupon: coupon.id } },
          make('span', { class: 'coupon-name', text: coupon.title, dir: 'auto' }),
          make('span', { class: 'soft', text: `${couponTerms(coupon)} · ${couponLife(coupon)}` }),
        ),
      ),
    );
  }
}

const WORDS = {
  ready: 'orders.empty',
  loading: 'orders.loading',
  failed: 'orders.failed',
  nobody: 'orders.signin',
};
