/**
 * Purchases on their way. A purchase keeps its request id until the server has answered, over lost
 * answers, lost connections and reloads, so it is asked as often as needed and decided once.
 */

import { Emitter } from './live-subscription.js';
import { newId } from './outbox.js';

const TRIES_MAX = 6;
const WAIT_MS = 600;
const WAIT_MS_MAX = 8_000;
const KEPT_MS = 600_000; // what a reload finds and is older than this was forgotten, not waited for
const TRY_AGAIN = new Set([100, 111, 429, 503]);

/**
 * One purchase per sale at a time. Events: `change`, `answered` `{purchase, outcome, order}`,
 * `refused` `{purchase, error}` (the server said no, and would again), `signin` (it waits until
 * somebody is signed in). A purchase is `{requestId, sale, sku, qty, waitlist, terms, user, state}`;
 * state `waiting` (for a connection), `sending`, `again` (no answer yet; will be asked again by
 * itself), `failed` (no answer; `retry` asks again), `signin`.
 */
export class Purchases extends Emitter {
  #items = [];
  #user = '';
  #parts;

  /** `send(purchase)` resolves with `{outcome, order?}`; `storage` keeps what a reload must not lose. */
  constructor({ send, storage, key, random = Math.random }) {
    super();
    this.#parts = { send, storage, key, random };
    this.#items = this.#load();
  }

  /** The purchase of this sale that is on its way, or null. */
  of(sale) {
    return this.#items.find((item) => item.sale === sale) ?? null;
  }

  /**
   * Ask for units; false when another purchase of this sale is on its way. `terms` are `{coupons?,
   * share?}`: what its price depends on.
   */
  buy({ sale, sku, qty, waitlist = false, terms = {} }) {
    if (this.of(sale)) return false;
    const what = { sale, sku, qty, waitlist, terms };
    const item = { requestId: newId(), ...what, user: this.#user, atMs: Date.now(), tries: 0 };
    this.#items.push(item);
    this.#send(item);
    return true;
  }

  /**
   * Connected, as this person ('' is nobody): what waits is asked again. What somebody else began
   * is let go, for the answer would be another person's.
   */
  connected(user) {
    this.#user = user;
    for (const item of this.#items) if (item.user && item.user !== user) this.#drop(item);
    for (const item of this.#items) {
      item.user = user;
      item.tries = 0;
      if (item.state !== 'sending') this.#send(item);
    }
  }

  /** Ask a failed one again, with the same request id. */
  retry(sale) {
    const item = this.of(sale);
    if (!item || !['failed', 'again'].includes(item.state)) return;
    item.tries = 0;
    this.#send(item);
  }

  /** Stop asking. If it was decided all the same, the order will come by itself. */
  giveUp(sale) {
    const item = this.of(sale);
    if (item) this.#drop(item);
  }

  async #send(item) {
    clearTimeout(item.timer);
    item.state = 'sending';
    this.#changed();
    const { user } = item;
    try {
      const { outcome, order = null } = await this.#parts.send(item);
      if (this.#drop(item)) this.emit('answered', { purchase: item, outcome, order });
      else if (order && user === this.#user) this.emit('answered', { purchase: null, outcome, order });
    } catch (error) {
      if (this.#items.includes(item)) this.#failed(item, error);
    }
  }

  #failed(item, error) {
    item.tries += 1;
    if (error.kind === 'offline' || error.kind === 'lost') {
      item.state = 'waiting';
    } else if (error.kind === 'timeout' || TRY_AGAIN.has(error.code)) {
      item.state = item.tries < TRIES_MAX ? 'again' : 'failed';
      if (item.state === 'again') item.timer = setTimeout(() => this.#send(item), this.#waitMs(item));
    } else if (error.code === 401) {
      item.state = 'signin';
      item.user = '';
      this.emit('signin');
    } else {
      this.#drop(item);
      this.emit('refused', { purchase: item, error });
      return;
    }
    this.#changed();
  }

  #waitMs(item) {
    const ceiling = Math.min(WAIT_MS_MAX, WAIT_MS * 2 ** item.tries);
    return Math.round(WAIT_MS + this.#parts.random() * (ceiling - WAIT_MS));
  }

  #drop(item) {
    clearTimeout(item.timer);
    if (!this.#items.includes(item)) return false;
    this.#items = this.#items.filter((each) => each !== item);
    this.#changed();
    return true;
  }

  #changed() {
    const { storage, key } = this.#parts;
    const kept = this.#items
      .filter(({ state }) => state !== 'signin') // nobody has asked for it yet
      .map(({ requestId, sale, sku, qty, waitlist, terms, user, atMs }) => (
        { requestId, sale, sku, qty, waitlist, terms, user, atMs }
      ));
    try {
      if (kept.length) storage?.setItem(key, JSON.stringify(kept));
      else storage?.removeItem(key);
    } catch {
      // Storage is full or forbidden: purchases still work, they only do not outlive a reload.
    }
    this.emit('change');
  }

  #load() {
    try {
      return JSON.parse(this.#parts.storage?.getItem(this.#parts.key) ?? '[]')
        .filter(({ requestId, sale, sku, qty }) => requestId && sale && sku && qty > 0)
        .filter(({ atMs }) => Date.now() - atMs < KEPT_MS)
        .map((item) => ({ terms: {}, ...item, state: 'waiting', tries: 0 }));
    } catch {
      return [];
    }
  }
}
