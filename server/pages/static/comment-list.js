/** A stream of comments that keeps to its newest end, unless somebody has scrolled up to read. */

import { byId, show } from './dom.js';
import { onLanguage, t } from './i18n.js';

const NEAR_END_PX = 48;
const ANNOUNCE_EVERY_MS = 5000;

/**
 * Show `state.comments` in `list` (an <ol>). `makeRow(comment)` and `makePending(item)` build the
 * rows, `showLikes(row, count)` updates one. `pill` appears when there is news below, `empty` when
 * there is nothing at all. `isMine(comment)` rows always scroll into view.
 */
export class CommentList {
  #rows = new Map();
  #newer = 0;
  #atEnd = true;
  #drawing = false;

  constructor(parts) {
    Object.assign(this, parts);
    const { state, list, pill } = this;
    state.on('reset', ({ recovered }) => (recovered ? this.#count() : this.redraw()));
    state.on('comment', (comment) => this.#add(comment));
    state.on('removed', (id) => this.#replace(id));
    state.on('trimmed', (ids) => ids.forEach((id) => this.#drop(id)));
    state.on('counted', () => this.#count());
    this.outbox?.on('change', () => this.#drawPending());
    list.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    pill.addEventListener('click', () => this.toEnd());
    new ResizeObserver(() => this.#settle()).observe(list);
    onLanguage(() => this.redraw());
  }

  /** Build every row anew. */
  redraw() {
    this.#rows.clear();
    const rows = [];
    for (const comment of this.state.comments.values()) rows.push(this.#row(comment));
    this.list.replaceChildren(...rows);
    this.#drawPending();
    this.#count();
    this.#drawPill();
  }

  /** Go to the newest. */
  toEnd() {
    this.#atEnd = true;
    this.#settle();
  }

  #row(comment) {
    const row = this.makeRow(comment);
    row.dataset.id = comment.id;
    this.#rows.set(comment.id, row);
    return row;
  }

  #add(comment) {
    const row = this.#row(comment);
    row.classList.add('arriving');
    const pending = this.list.querySelector(':scope > .pending');
    this.list.insertBefore(row, pending);
    if (this.isMine(comment)) this.#atEnd = true;
    else if (!this.#atEnd) this.#newer += 1;
    this.showLikes(row, this.state.commentLikes.get(comment.id) ?? 0);
    this.#settle();
  }

  #replace(id) {
    const old = this.#rows.get(id);
    const comment = this.state.comments.get(id);
    if (old && comment) old.replaceWith(this.#row(comment));
    this.#settle();
  }

  #drop(id) {
    this.#rows.get(id)?.remove();
    this.#rows.delete(id);
  }

  #count() {
    for (const [id, count] of this.state.commentLikes) {
      const row = this.#rows.get(id);
      if (row) this.showLikes(row, count);
    }
  }

  #drawPending() {
    if (!this.outbox) return;
    for (const row of this.list.querySelectorAll(':scope > .pending')) row.remove();
    const items = this.outbox.items.filter((item) => !item.seen);
    this.list.append(...items.map((item) => this.makePending(item)));
    if (items.length) this.#atEnd = true;
    this.#settle();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.#atEnd) this.#newer = 0;
    this.#drawPill();
  }

  /** Once per frame, however many came in it. */
  #settle() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      if (this.#atEnd) {
        this.list.scrollTop = this.list.scrollHeight;
        this.#newer = 0;
      }
      show(this.empty, this.state.ready && !this.list.childElementCount);
      this.#drawPill();
    });
  }

  #drawPill() {
    show(this.pill, this.#newer > 0);
    this.pill.textContent = t('comments.newer', { n: this.#newer });
  }
}

/** Read new comments out, at most one remark every few seconds. */
export function announceComments(state, isMine) {
  const place = byId('announcer');
  let fresh = [];
  let timer;
  const speak = () => {
    timer = undefined;
    if (!fresh.length) return;
    const { name, text } = fresh.at(-1);
    const latest = t('comments.said', { name, text });
    const more = fresh.length - 1;
    place.textContent = more ? `${latest} ${t('comments.more', { n: more })}` : latest;
    fresh = [];
    timer = setTimeout(speak, ANNOUNCE_EVERY_MS);
  };
  state.on('comment', (comment) => {
    if (isMine(comment) || comment.removed) return;
    fresh.push(comment);
    timer ??= setTimeout(speak, 500);
  });
  // What was removed must not be read out, nor stay in the page.
  state.on('removed', (id) => {
    fresh = fresh.filter((comment) => comment.id !== id);
    place.textContent = '';
  });
}
