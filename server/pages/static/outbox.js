/**
 * Comments on their way. A comment keeps its `cid` until the server has answered, over lost
 * connections and reloads, so it is sent as often as needed and accepted once.
 */

import { Emitter } from './live-subscription.js';

const ITEMS_MAX = 20;
const TRY_AGAIN = new Set([100, 111, 503]);

/**
 * Events: `change` (the list), `sent` `{item, id}`, `refused` `{item, error}` (the item is gone:
 * the server said no, and would again), `signin` (it waits until somebody is signed in).
 * An item is `{cid, text, replyTo, state, seen}`; state `waiting`, `sending`, `failed`, `signin`.
 */
export class Outbox extends Emitter {
  items = [];
  #send;
  #storage;
  #key;
  #busy = false;

  /** `send(item)` resolves with the server's `{id}`; `storage` keeps what a reload must not lose. */
  constructor({ send, storage, key }) {
    super();
    this.#send = send;
    this.#storage = storage;
    this.#key = key;
    this.items = this.#load();
  }

  /** Put a comment in the queue; false when the queue is full. Call `flush` to send. */
  add(text, replyTo) {
    if (this.items.length >= ITEMS_MAX) return false;
    const cid = newId();
    this.items.push({ cid, text, replyTo: replyTo || undefined, state: 'waiting', seen: false });
    this.#changed();
    return true;
  }

  /** Send what waits, in order, one at a time. `again`: what failed or waited for a sign-in too. */
  async flush({ again = false } = {}) {
    if (again) {
      for (const item of this.items) if (item.state !== 'sending') item.state = 'waiting';
    }
    if (this.#busy) return;
    this.#busy = true;
    let item;
    while ((item = this.items.find(({ state }) => state === 'waiting'))) {
      if (!(await this.#deliver(item))) break;
    }
    this.#busy = false;
  }

  /** Send a failed one again, with the same cid. */
  retry(cid) {
    const item = this.items.find((each) => each.cid === cid);
    if (!item || item.state === 'sending') return;
    item.state = 'waiting';
    this.#changed();
    this.flush();
  }

  /** Give one up. */
  discard(cid) {
    this.items = this.items.filter((item) => item.cid !== cid);
    this.#changed();
  }

  /** Our own comment came back before its answer: it need not be shown twice. */
  saw(comment) {
    const item = this.items.find(({ text, seen }) => !seen && text.trim() === comment.text.trim());
    if (!item) return;
    item.seen = true;
    this.#changed();
  }

  async #deliver(item) {
    item.state = 'sending';
    this.#changed();
    try {
      const { id } = await this.#send(item);
      this.discard(item.cid);
      this.emit('sent', { item, id });
      return true;
    } catch (error) {
      return this.#failed(item, error);
    }
  }

  /** True when the next one may be tried. */
  #failed(item, error) {
    if (error.kind === 'offline' || error.kind === 'lost') {
      item.state = 'waiting';
    } else if (error.kind === 'timeout' || TRY_AGAIN.has(error.code)) {
      item.state = 'failed';
    } else if (error.code === 401) {
      item.state = 'signin';
      this.emit('signin');
    } else {
      this.discard(item.cid);
      this.emit('refused', { item, error });
      return true;
    }
    this.#changed();
    return false;
  }

  #changed() {
    const kept = this.items.map(({ cid, text, replyTo }) => ({ cid, text, replyTo }));
    try {
      if (kept.length) this.#storage?.setItem(this.#key, JSON.stringify(kept));
      else this.#storage?.removeItem(this.#key);
    } catch {
      // Storage is full or forbidden: the queue still works, it only does not outlive a reload.
    }
    this.emit('change');
  }

  #load() {
    try {
      const kept = JSON.parse(this.#storage?.getItem(this.#key) ?? '[]');
      return kept
        .filter(({ cid, text }) => typeof cid === 'string' && typeof text === 'string')
        .map((item) => ({ ...item, state: 'waiting', seen: false }));
    } catch {
      return [];
    }
  }
}

/** A random id; `crypto.randomUUID` exists on secure pages only, and a phone on a LAN is not one. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
