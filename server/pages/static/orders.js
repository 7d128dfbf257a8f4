/** The orders of this person, from answers and events that may come in any order. No DOM. */

import { Emitter } from './live-subscription.js';

const KEPT_MAX = 300;
const AGE = { queued: 0, reserved: 1, paid: 2, cancelled: 2, expired: 2, refunded: 3 };
const COUNTED = new Set(['queued', 'reserved', 'paid']);

/** Events: `change`, and `turn` `{order, before}` when an order that was known went on. */
export class Orders extends Emitter {
  #byId = new Map();

  /**
   * Take what the server says about an order. A replayed answer shows it as it was first answered,
   * so an earlier state never replaces a later one. False when nothing was new.
   */
  take(order) {
    const before = this.#byId.get(order.id);
    if (before && (AGE[order.state] ?? 0) < AGE[before.state]) return false;
    if (before && JSON.stringify(before) === JSON.stringify(order)) return false;
    this.#byId.set(order.id, order);
    this.#trim();
    this.emit('change');
    if (before && before.state !== order.state) this.emit('turn', { order, before: before.state });
    return true;
  }

  /** Somebody else is here: forget all. */
  clear() {
    if (!this.#byId.size) return;
    this.#byId.clear();
    this.emit('change');
  }

  /** All, newest first. */
  all() {
    return [...this.#byId.values()].sort(
      (a, b) => b.placed_at_ms - a.placed_at_ms || (a.id < b.id ? 1 : -1),
    );
  }

  get(id) {
    return this.#byId.get(id) ?? null;
  }

  /** Those of a sale, newest first. */
  ofSale(sale) {
    return this.all().filter((order) => order.sale === sale);
  }

  /** Those that wait for this person: holds to pay first, the most urgent ahead, then queues. */
  open() {
    const due = (order) => (order.state === 'reserved' ? order.expires_at_ms : Infinity);
    return this.all()
      .filter(({ state }) => state === 'reserved' || state === 'queued')
      .sort((a, b) => (due(a) === due(b) ? 0 : due(a) - due(b)));
  }

  /** Units of a sku that count against the limit of one person. */
  unitsOf(sale, sku) {
    return this.ofSale(sale)
      .filter(({ state }) => COUNTED.has(state))
      .flatMap(({ items }) => items)
      .reduce((sum, line) => sum + (line.sku === sku ? line.qty : 0), 0);
  }

  #trim() {
    if (this.#byId.size <= KEPT_MAX) return;
    const over = this.all().filter(({ state }) => state !== 'reserved' && state !== 'queued');
    if (over.length) this.#byId.delete(over.at(-1).id);
  }
}
