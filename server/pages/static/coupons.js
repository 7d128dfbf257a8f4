/** The coupons of this person, and which of them may be for a purchase. No DOM. */

import { Emitter } from './live-subscription.js';

/** Emits `change`. `state`: `nobody`, `loading`, `ready` or `failed`. */
export class Coupons extends Emitter {
  state = 'nobody';
  #all = [];
  #user = '';
  #ask;
  #asked = 0;

  /** `ask()` resolves with the server's `{coupons}`. */
  constructor({ ask }) {
    super();
    this.#ask = ask;
  }

  /** This person is here ('' is nobody), perhaps again: forget another's, and fetch theirs. */
  of(user) {
    if (user !== this.#user) this.#all = [];
    this.#user = user;
    this.#asked += 1;
    this.state = 'nobody';
    if (user) this.fetch();
    else this.emit('change');
  }

  /** Ask anew. What is known stays until there is an answer. */
  async fetch() {
    this.#asked += 1;
    const asked = this.#asked;
    this.state = 'loading';
    this.emit('change');
    try {
      const { coupons } = await this.#ask();
      if (asked !== this.#asked) return;
      this.#all = coupons;
      this.state = 'ready';
    } catch {
      if (asked !== this.#asked) return;
      this.state = 'failed';
    }
    this.emit('change');
  }

  /** Those that can be spent first, then those that an order holds, then the rest. */
  all() {
    return [...this.#all].sort((a, b) => RANK[a.state] - RANK[b.state]);
  }

  /** Those that may be for this item of this sale; whether one takes something off, a quote says. */
  usable(sale, item, nowMs) {
    return this.#all.filter((coupon) => {
      return coupon.state === 'granted' && endOf(coupon) > nowMs && coupon.currency === sale.currency && isFor(coupon, sale, item);
    });
  }
}

/** When a coupon is over: by itself, or with its batch; Infinity when never. */
export const endOf = ({ expires_at_ms: own, ends_at_ms: batch }) => Math.min(own ?? Infinity, batch ?? Infinity);

const RANK = { granted: 0, held: 1, spent: 2, expired: 3 };

/** Whether a coupon's scope takes in this item; an empty list is no bound. */
export function isFor({ scope = {} }, sale, item) {
  const within = (list, value) => !list?.length || list.includes(value);
  const goods = scope.skus?.length || scope.products?.length;
  const named = scope.skus?.includes(item.sku) || scope.products?.includes(item.product);
  return within(scope.rooms, sale.room) && within(scope.sales, sale.id) && (!goods || Boolean(named));
}
