/** One order as its buyer sees it: what it is, how long it is held, and what can be done. */

import { button, make, show, write } from './dom.js';
import { formatTimeLeft } from './format.js';
import { t } from './i18n.js';
import { money, orderTitle } from './sale-words.js';

const SURE_FOR_MS = 4000;

/**
 * A list of orders that is patched, never rebuilt: a button must not vanish under a finger.
 * `parts`: `state` (the room), `clock`, `pays` (the page may pay by itself), and `acts`
 * `{pay(order), cancel(order)}`, which resolve when they are through, whatever came of it.
 */
export class OrderCards {
  #cards = new Map();

  constructor(list, parts) {
    this.list = list;
    this.parts = parts;
  }

  /** Show these orders, in this order. */
  draw(orders) {
    const wanted = new Set(orders.map(({ id }) => id));
    for (const [id, card] of this.#cards) {
      if (wanted.has(id)) continue;
      card.element.remove();
      this.#cards.delete(id);
    }
    orders.forEach((order, index) => {
      let card = this.#cards.get(order.id);
      if (!card) this.#cards.set(order.id, (card = new OrderCard(this.parts)));
      card.draw(order);
      const there = this.list.children[index];
      if (there !== card.element) this.list.insertBefore(card.element, there ?? null);
    });
  }

  /** Move the focus to an order's card, so that a second press of a key pays for nothing. */
  focus(id) {
    this.#cards.get(id)?.element.focus();
  }
}

class OrderCard {
  #order = null;
  #busy = false;
  #sureUntil = 0;

  constructor(parts) {
    this.parts = parts;
    this.title = make('span', { class: 'order-title', dir: 'auto' });
    this.badge = make('span', { class: 'order-state' });
    this.price = make('span', { class: 'price tabular' });
    this.line = make('span', { class: 'order-line tabular' });
    this.bar = make('i');
    this.saved = make('p', { class: 'order-saved' });
    this.note = make('p', { class: 'order-note soft' });
    this.pay = button({ text: ' ', class: 'button order-pay' }, () => this.#act('pay'));
    this.cancel = button({ text: ' ', class: 'button quiet order-cancel' }, () => this.#cancelPressed());
    this.tools = make('div', { class: 'actions' }, this.cancel, this.pay);
    this.element = make(
      'li',
      { class: 'order', tabindex: -1 },
      make('div', { class: 'order-head' }, this.title, this.badge),
      make('div', { class: 'order-sum' }, this.price, this.line),
      this.saved,
      make('div', { class: 'bar-track', 'aria-hidden': 'true' }, this.bar),
      this.note,
      this.tools,
    );
  }

  draw(order) {
    this.#order = order;
    const { state, clock, pays } = this.parts;
    const leftMs = order.state === 'reserved' ? order.expires_at_ms - clock.now() : 0;
    const held = order.state === 'reserved';
    this.element.dataset.state = order.state;
    this.element.dataset.order = order.id;
    write(this.title, orderTitle(state, order));
    write(this.badge, t(`order.state.${order.state}`));
    write(this.price, money(order.amount_minor, order.currency));
    write(this.line, lineWords(order, leftMs));
    const saved = order.discount_minor ? t('order.discount', { price: money(order.discount_minor, order.currency) }) : '';
    write(this.saved, saved);
    show(this.saved, saved !== '');
    show(this.bar.parentElement, held);
    if (held) {
      const wholeMs = Math.max(1, order.expires_at_ms - order.reserved_at_ms);
      this.bar.style.width = `${Math.min(100, Math.max(0, (leftMs / wholeMs) * 100)).toFixed(1)}%`;
      this.element.dataset.urgent = leftMs < 60_000 ? 'yes' : 'no';
    }
    write(this.note, noteWords(order, pays));
    show(this.note, this.note.textContent !== '');
    show(this.tools, held || order.state === 'queued');
    show(this.pay, held && pays);
    write(this.pay.firstElementChild, t('order.pay', { price: money(order.amount_minor, order.currency) }));
    this.#drawCancel();
    this.pay.setAttribute('aria-disabled', String(this.#busy || leftMs <= 0));
    this.cancel.setAttribute('aria-disabled', String(this.#busy));
  }

  #drawCancel() {
    const isSure = Date.now() < this.#sureUntil;
    const leave = isSure ? t('order.leave.sure') : t('order.leave');
    const cancel = isSure ? t('order.cancel.sure') : t('order.cancel');
    write(this.cancel.firstElementChild, this.#order.state === 'queued' ? leave : cancel);
  }

  #cancelPressed() {
    if (this.#busy) return;
    if (Date.now() < this.#sureUntil) {
      this.#sureUntil = 0;
      this.#act('cancel');
      return;
    }
    this.#sureUntil = Date.now() + SURE_FOR_MS;
    this.#drawCancel();
    setTimeout(() => this.#drawCancel(), SURE_FOR_MS + 20);
  }

  async #act(name) {
    if (this.#busy || this[name].getAttribute('aria-disabled') === 'true') return;
    this.#busy = true;
    this.draw(this.#order);
    await this.parts.acts[name](this.#order);
    this.#busy = false;
    this.draw(this.#order);
  }
}

function lineWords(order, leftMs) {
  if (order.state === 'queued') return t('order.position', { n: order.position ?? '' });
  if (order.state !== 'reserved') return '';
  return leftMs > 0 ? t('order.pay.within', { left: formatTimeLeft(leftMs) }) : t('order.pay.over');
}

function noteWords(order, pays) {
  if (order.state === 'queued') return t('order.queue.hint');
  if (order.state === 'reserved') return t(pays ? 'order.pay.demo' : 'order.pay.elsewhere');
  return '';
}
