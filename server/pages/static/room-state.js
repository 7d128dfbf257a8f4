/**
 * What is known about one room: the snapshot and every event since, applied in order.
 * No DOM and no network. Views listen to `change` of the part they show.
 */

import { Emitter } from './live-subscription.js';

const COMMENTS_MAX = 300;

/**
 * Events: `reset` (everything is new), `comment` (one was added), `removed` (a comment's id),
 * `counted` (ids whose likes changed), `trimmed` (ids that are too old to keep), `heartbeat`
 * `{delta}` (others' likes), `ordered` `{sale, count, names}` (somebody has bought), `ranking`
 * `{ladder, top}` (of those who share), and, without detail, `room`, `pinned`, `pinnedComment`,
 * `notice`, `slowSeconds`, `shelf`, `likes`, `viewers`, `sales`.
 */
export class RoomState extends Emitter {
  ready = false;
  room = { id: '', title: '', stream_url: '', state: 'scheduled' };
  pinned = null;
  pinnedComment = null;
  notice = null;
  slowSeconds = 0;
  shelf = [];
  sales = [];
  likes = 0;
  viewers = 0;
  comments = new Map();
  commentLikes = new Map();
  markups = {}; // what the link that was opened adds to the price of each sku
  #commentsMax;

  constructor({ commentsMax = COMMENTS_MAX } = {}) {
    super();
    this.#commentsMax = commentsMax;
  }

  /**
   * Take the subscribe result's data. `recovered`: the comments we hold are complete, and what was
   * missed follows as publications; otherwise the snapshot's comments replace ours.
   */
  restore(snapshot, recovered) {
    this.room = { ...this.room, ...snapshot.room };
    this.pinned = snapshot.pinned ?? null;
    this.pinnedComment = snapshot.pinned_comment ?? null;
    this.notice = snapshot.notice?.text ?? null;
    this.slowSeconds = snapshot.mode?.slow_seconds ?? 0;
    this.shelf = snapshot.shelf ?? [];
    this.sales = (snapshot.sales ?? []).map((sale) => this.#priced(sale));
    this.likes = snapshot.likes?.total ?? 0;
    this.viewers = snapshot.viewers?.count ?? 0;
    if (!recovered || !this.ready) {
      this.comments.clear();
      this.commentLikes.clear();
      for (const comment of snapshot.comments ?? []) this.comments.set(comment.id, comment);
    }
    for (const [id, count] of Object.entries(snapshot.comment_likes ?? {})) {
      this.commentLikes.set(id, count);
    }
    this.ready = true;
    this.emit('reset', { recovered });
  }

  /** Apply one publication's data. Unknown events are left alone: the server may learn new ones. */
  apply(event) {
    const known = Object.hasOwn(EVENTS, event.t) ? EVENTS[event.t] : null;
    known?.(this, event);
  }

  /** Add a comment unless it is there; false when it was. */
  add(comment) {
    if (this.comments.has(comment.id)) return false;
    this.comments.set(comment.id, comment);
    this.emit('comment', comment);
    this.#trim();
    return true;
  }

  /** Put a tombstone in a comment's place. */
  remove(id, reason) {
    const comment = this.comments.get(id);
    if (this.pinnedComment?.id === id) this.set('pinnedComment', null);
    if (!comment || comment.removed) return;
    const { user, name, at_ms: atMs } = comment;
    this.comments.set(id, { id, user, name, at_ms: atMs, removed: true, reason });
    this.emit('removed', id);
  }

  /** Set one part and tell its listeners. */
  set(part, value) {
    this[part] = value;
    this.emit(part);
  }

  /** The sale with this id, or undefined. */
  sale(id) {
    return this.sales.find((sale) => sale.id === id);
  }

  /** A sale that is new, or what has changed of one that is known. */
  putSale({ t: _name, sale: id, ...facts }) {
    const known = this.sale(id);
    if (!known && !facts.items) return; // of a sale that we have not seen: the next one is whole
    const others = this.sales.filter((sale) => sale.id !== id);
    const sales = [...others, this.#priced({ ...known, ...facts, id })];
    this.set('sales', sales.sort((a, b) => (a.id < b.id ? -1 : 1)));
  }

  /** What has changed of some items of a sale, each named by its `sku`. */
  putStock(id, changes) {
    const known = this.sale(id);
    if (!known) return;
    const bySku = new Map(changes.map((change) => [change.sku, change]));
    this.putSale({ sale: id, items: known.items.map((item) => ({ ...item, ...bySku.get(item.sku) })) });
  }

  /** Show these skus at a reseller's prices, from now on: `{sku: what is added}`. */
  setMarkups(markups) {
    this.markups = markups;
    this.set('sales', this.sales.map((sale) => this.#priced(sale)));
  }

  /** A sale whose items cost what this person would pay; `base_minor` is the shop's own price. */
  #priced(sale) {
    const items = sale.items.map((item) => {
      const more = this.markups[item.sku] ?? 0;
      if (!more && item.base_minor === undefined) return item;
      const base = item.base_minor ?? item.price_minor;
      return { ...item, base_minor: base, price_minor: base + more };
    });
    return { ...sale, items };
  }

  /** Newer counts of likes on comments. */
  count(counts) {
    const known = Object.entries(counts).filter(([id]) => this.comments.has(id));
    for (const [id, count] of known) this.commentLikes.set(id, count);
    if (known.length) this.emit('counted', known.map(([id]) => id));
  }

  #trim() {
    const surplus = this.comments.size - this.#commentsMax;
    if (surplus <= 0) return;
    const old = [...this.comments.keys()].slice(0, surplus);
    for (const id of old) {
      this.comments.delete(id);
      this.commentLikes.delete(id);
    }
    this.emit('trimmed', old);
  }
}

const EVENTS = {
  comment: (state, event) => {
    state.add(event);
  },
  'comment.removed': (state, { id, reason }) => state.remove(id, reason),
  'comment.pinned': (state, { comment }) => state.set('pinnedComment', comment ?? null),
  'comment.likes': (state, { counts }) => state.count(counts),
  'product.pinned': (state, { product }) => state.set('pinned', product),
  'product.unpinned': (state) => state.set('pinned', null),
  'room.mode': (state, { slow_seconds: seconds }) => state.set('slowSeconds', seconds ?? 0),
  'room.state': (state, event) => state.set('room', { ...state.room, state: event.state }),
  'room.info': (state, { title, stream_url: url }) =>
    state.set('room', { ...state.room, title, stream_url: url }),
  notice: (state, { text }) => state.set('notice', text || null),
  shelf: (state, { products }) => state.set('shelf', products),
  viewers: (state, { count }) => state.set('viewers', count),
  'sale.state': (state, event) => state.putSale(event),
  'sale.stock': (state, { sale, items }) => state.putStock(sale, items),
  'sale.sold_out': (state, { sale, sku }) => state.putStock(sale, [{ sku, available: 0 }]),
  orders: (state, event) => state.emit('ordered', event),
  'share.ranking': (state, event) => state.emit('ranking', event),
  likes: (state, { total, delta }) => {
    state.set('likes', total);
    if (delta > 0) state.emit('heartbeat', { delta });
  },
};
