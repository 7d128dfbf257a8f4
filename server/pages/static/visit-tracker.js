/**
 * The record of one visit, told in small batches. A batch keeps its number until the server has
 * answered, over lost answers, lost connections and reloads: it is sent as often as needed and
 * counts once. No DOM.
 */

import { newId } from './outbox.js';
import { recall, remember } from './storage.js';

const GATHER_MS = 5_000; // at most one batch in this time, but for what cannot wait
const FIRST_MS = 400; // what happens while the page builds itself goes in one batch
const AGAIN_MS = 5_000;
const EVENTS_MAX = 40; // of one batch
const KEPT_MAX = 200; // events that wait; beyond it beats go first, then the oldest
const NUMBERS = 2 ** 20; // pages that a tab may load without two batches of one number
const BATCHES_MAX = 1_000; // of one page, before its numbers run into another page's
const IDLE_MS = 1_800_000; // who comes back to the tab later than this comes anew
const BEFORE_MS = 15_000; // how long before its first batch a visit may have begun
// Gone in a moment, or followed by what the server sees itself: the order comes after its steps.
const URGENT = new Set(['hidden', 'leave', 'checkout']);
const TRY_AGAIN = new Set([100, 111, 429, 503]);

/**
 * `send({visit, seq, device, events})` resolves when the batch is stored. `nowMs()` is the server's
 * time. `storage` is the tab's: a reload goes on with the same visit. `source` is what the address
 * says about where the visit comes from; another source is another visit.
 */
export class VisitTracker {
  #kept;
  #parts;
  #joined = false;
  #sending = 0;
  #sentAt = -Infinity;
  #timer;

  constructor({ send, storage, key, source = {}, device = '', nowMs = Date.now, random = Math.random }) {
    this.source = source;
    this.#parts = { send, storage, key, device, nowMs };
    this.#kept = this.#load(JSON.stringify(source));
    // A tab that was duplicated goes on with the same visit: its batches have other numbers.
    this.#kept.seq = Math.floor(random() * NUMBERS) * BATCHES_MAX;
  }

  /** The id of the visit. */
  get id() {
    return this.#kept.id;
  }

  /** True from `joined` until `left`. */
  get isJoined() {
    return this.#joined;
  }

  /** Something happened; `facts` as in the protocol. It goes out soon, or at once if it must. */
  tell(t, facts = {}) {
    const { queue } = this.#kept;
    if (queue.length >= KEPT_MAX) {
      const beat = queue.findIndex((event) => event.t === 'beat');
      queue.splice(Math.max(0, beat), 1);
    }
    queue.push({ t, deviceMs: Date.now(), ...facts });
    this.#keep();
    if (URGENT.has(t)) this.#flush(true);
    else this.#later();
  }

  /** In the room, perhaps again: what was not answered is sent again, in order, and what waits. */
  joined() {
    this.#joined = true;
    this.#sending = 0;
    const { begun, batches } = this.#kept;
    for (const batch of begun ? [...batches] : batches.slice(0, 1)) this.#send(batch);
    this.#flush(true); // whatever is done next must find the visit there
  }

  /** Out of the room: nothing is sent until `joined`. */
  left() {
    this.#joined = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #later(leastMs = FIRST_MS) {
    if (!this.#joined || this.#timer !== undefined) return;
    const waitMs = Math.max(leastMs, this.#sentAt + GATHER_MS - Date.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flush(false);
    }, waitMs);
  }

  /** Send what waits. In order, one batch at a time, unless the page may be gone in a moment. */
  #flush(now) {
    const { begun, queue, batches } = this.#kept;
    if (!this.#joined || !queue.length) return;
    if (!begun && batches.length) return; // the first one says where the visit comes from
    if (!now && this.#sending) return; // the answer goes on
    const nowMs = Math.round(this.#parts.nowMs());
    const offsetMs = nowMs - Date.now();
    const events = queue
      .splice(0, EVENTS_MAX)
      .map(({ t, deviceMs, ...facts }) => ({ t, at_ms: Math.min(nowMs, deviceMs + offsetMs), ...facts }));
    this.#kept.seq += 1;
    const batch = { seq: this.#kept.seq, events };
    batches.push(batch);
    this.#keep();
    this.#send(batch);
    if (now) this.#flush(true);
  }

  async #send(batch) {
    const { send, device } = this.#parts;
    this.#sending += 1;
    this.#sentAt = Date.now();
    try {
      await send({ visit: this.id, seq: batch.seq, ...(device ? { device } : {}), events: this.#told(batch) });
      this.#kept.begun = true;
      this.#done(batch);
    } catch (error) {
      this.#failed(batch, error);
    }
  }

  /** To the server the visit begins now: what it took to get through did not happen in it. */
  #told({ events }) {
    if (this.#kept.begun) return events;
    const earliestMs = Math.round(this.#parts.nowMs()) - BEFORE_MS;
    return events.map((event) => ({ ...event, at_ms: Math.max(event.at_ms, earliestMs) }));
  }

  #done(batch) {
    this.#sending = Math.max(0, this.#sending - 1);
    this.#kept.batches = this.#kept.batches.filter((each) => each !== batch);
    this.#keep();
    if (this.#kept.queue.some(({ t }) => URGENT.has(t))) this.#flush(true);
    else if (this.#kept.queue.length) this.#later(0);
  }

  #failed(batch, error) {
    const isLost = error.kind === 'offline' || error.kind === 'lost';
    if (!isLost && error.kind !== 'timeout' && !TRY_AGAIN.has(error.code)) {
      this.#done(batch); // refused, and would be again
      return;
    }
    this.#sending = Math.max(0, this.#sending - 1);
    if (isLost) return; // `joined` sends it again
    setTimeout(() => this.#joined && this.#kept.batches.includes(batch) && this.#send(batch), AGAIN_MS);
  }

  // ---- what a reload must not lose ----------------------------------------------------------

  #keep() {
    this.#kept.atMs = Date.now();
    remember(this.#parts.key, JSON.stringify(this.#kept), this.#parts.storage);
  }

  #load(source) {
    const fresh = { id: newId(), begun: false, source, atMs: Date.now(), batches: [], queue: [] };
    try {
      const kept = JSON.parse(recall(this.#parts.key, this.#parts.storage) ?? 'null');
      const goesOn = kept.source === source && Date.now() - kept.atMs < IDLE_MS;
      return goesOn && typeof kept.id === 'string' ? { ...fresh, ...kept } : fresh;
    } catch {
      return fresh;
    }
  }
}

/** What the address says about where somebody comes from; what cannot be so is left out. */
export function sourceOf({ share, search = '', referrer = '', host = '' }) {
  const asked = new URLSearchParams(search);
  const source = {};
  if (share) source.share = share;
  for (const name of ['channel', 'campaign']) {
    const value = asked.get(name) ?? '';
    if (/^[A-Za-z0-9_-]{1,64}$/.test(value)) source[name] = value;
  }
  const from = hostOf(referrer);
  if (from && from !== host) source.referrer = from;
  return source;
}

function hostOf(address) {
  try {
    return new URL(address).host.slice(0, 128);
  } catch {
    return '';
  }
}

/** This device, the same for every visit; '' where nothing can be kept: each visit is another's. */
export function deviceId(name) {
  const known = recall(name);
  if (/^[A-Za-z0-9_-]{16,64}$/.test(known ?? '')) return known;
  const fresh = newId();
  remember(name, fresh);
  return recall(name) === fresh ? fresh : '';
}
