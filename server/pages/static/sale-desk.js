/** Buying on the viewer page: joins the room's sales, this person's orders and what shows them. */

import { Coupons } from './coupons.js';
import { byId, isBusyTyping, write } from './dom.js';
import { formatTimeLeft } from './format.js';
import { onLanguage, t } from './i18n.js';
import { Orders } from './orders.js';
import { OrdersSheet } from './orders-sheet.js';
import { Purchases } from './purchases.js';
import { SaleCard } from './sale-card.js';
import { phaseOf } from './sale-rules.js';
import { SaleSheet } from './sale-sheet.js';
import { saleTitle } from './sale-words.js';
import { Ticker } from './server-clock.js';
import { toast } from './sheet.js';

const SYNC_EVERY_MS = 60_000;
const OVERDUE_MS = 6_000; // a hold that should long be over: its event was missed, so ask

/**
 * `parts`: `client`, `subscription`, `state`, `room`, `storage`, `pays` (this page may pay: the
 * demo provider), `askName(then)` (make a guest of nobody), `explain(error)` (a sentence for a refused call),
 * `clock` (the server's), `visit` (is told what is seen, opened and chosen), `shareFor(skus)` (the
 * code of the link whose prices hold for them, or ''), `onShare(product)`,
 * `hasRewards()` (they may be shown here) and `openRewards()`.
 */
export function mountSales(parts) {
  const desk = new SaleDesk(parts);
  desk.start();
  return desk;
}

class SaleDesk {
  #me = '';
  #fetching = 'nobody';
  #phases = new Map();
  #askedAt = new Map();
  #saleSheet = null;
  #ordersSheet = null;

  constructor(parts) {
    Object.assign(this, parts);
    this.orders = new Orders();
    this.purchases = new Purchases({
      send: (purchase) => this.#place(purchase),
      storage: this.storage,
      key: `live.purchases.${this.room}`,
    });
    this.coupons = new Coupons({ ask: () => this.client.rpc('coupon.list') });
    this.acts = { pay: (order) => this.#pay(order), cancel: (order) => this.#cancel(order) };
    this.card = new SaleCard({
      state: this.state,
      clock: this.clock,
      orders: this.orders,
      purchases: this.purchases,
      onOpen: (sale) => this.openSale(sale.id),
      onOrders: () => this.openOrders(),
      visit: this.visit,
    });
    this.ticker = new Ticker({
      clock: this.clock,
      deadlines: () => this.#deadlines(),
      draw: () => this.#draw(),
    });
  }

  start() {
    const changed = () => this.changed();
    this.clock.on('sync', changed);
    this.orders.on('change', changed);
    this.orders.on('turn', ({ order, before }) => this.#turned(order, before));
    this.purchases.on('change', changed);
    this.coupons.on('change', changed);
    this.purchases.on('answered', (answer) => this.#answered(answer));
    this.purchases.on('refused', ({ purchase, error }) => this.#refused(purchase, error));
    this.purchases.on('signin', () => this.askName());
    for (const part of ['reset', 'sales', 'shelf', 'pinned']) this.state.on(part, changed);
    this.state.on('ordered', (event) => this.card.tell(event));
    onLanguage(changed);
    this.client.on('connected', ({ data }) => this.#connected(data?.user ?? ''));
    // In the room, and not before: an order belongs to the visit that has begun there.
    this.subscription.on('subscribed', () => this.purchases.connected(this.#me));
    this.client.on('publication', ({ data }) => this.#told(data ?? {}));
    setInterval(() => this.client.state === 'connected' && this.clock.sync(), SYNC_EVERY_MS);
    byId('my-orders').addEventListener('click', () => this.openOrders());
    document.addEventListener('keydown', (event) => this.#key(event));
    changed();
  }

  /** Open the sheet of a sale, at an item of this product if there is one. */
  openSale(id, product = '') {
    this.#saleSheet = new SaleSheet(id, product, this.#sheetParts(), () => {
      this.#saleSheet = null;
      // Who closes instead of giving a name does not buy with a name that is given later.
      if (this.purchases.of(id)?.state === 'signin') this.purchases.giveUp(id);
    });
  }

  /** Open the list of orders, with the coupons as they are now: one may have come back. */
  openOrders() {
    byId('shelf-sheet').close();
    if (this.#me) this.coupons.fetch();
    this.#ordersSheet = new OrdersSheet(this.#sheetParts(), () => (this.#ordersSheet = null));
  }

  #sheetParts() {
    return {
      state: this.state,
      clock: this.clock,
      orders: this.orders,
      purchases: this.purchases,
      pays: this.pays,
      acts: this.acts,
      askName: this.askName,
      visit: this.visit,
      coupons: this.coupons,
      shareFor: this.shareFor,
      explain: this.explain,
      quote: (basket) => this.client.rpc('order.quote', basket),
      onShare: this.onShare,
      hasRewards: this.hasRewards,
      openRewards: this.openRewards,
      buy: (wanted) => this.purchases.buy(wanted),
      fetching: () => this.#fetching,
      fetch: () => this.#fetch(),
    };
  }

  changed() {
    this.#draw();
    this.ticker.restart();
  }

  #draw() {
    this.card.draw();
    this.#saleSheet?.draw();
    this.#ordersSheet?.draw();
    this.#tellPhases();
    this.#askAboutOverdue();
  }

  #deadlines() {
    const sales = this.state.sales.flatMap(({ starts_at_ms: start, ends_at_ms: end }) => [
      start ?? 0,
      (start ?? 0) + this.clock.errorMs,
      end ?? 0,
    ]);
    const holds = this.orders.open().flatMap(({ expires_at_ms: end }) => [end ?? 0, (end ?? 0) + OVERDUE_MS]);
    return [...sales, ...holds];
  }

  /** To who does not see the card: that a sale was opened, paused, sold out or closed. */
  #tellPhases() {
    if (!this.state.ready) return;
    for (const sale of this.state.sales) {
      const phase = phaseOf(sale, this.clock.now(), this.clock.errorMs);
      const before = this.#phases.get(sale.id);
      this.#phases.set(sale.id, phase);
      if (before === undefined || before === phase || !TOLD.has(phase)) continue;
      const left = phase === 'countdown' ? formatTimeLeft(sale.starts_at_ms - this.clock.now()) : '';
      write(byId('sale-news'), t(`sale.news.${phase}`, { title: saleTitle(this.state, sale), left }));
    }
  }

  // ---- what goes out ------------------------------------------------------------------------

  #place({ sale, sku, qty, waitlist, terms, requestId }) {
    const wanted = { sale, sku, qty, request_id: requestId, ...terms };
    return this.client.rpc('order.place', waitlist ? { ...wanted, waitlist } : wanted);
  }

  async #pay(order) {
    const error = await this.#ask('order.pay', order.id);
    if (!error) return;
    toast(error.code === CONFLICT ? t('order.pay.late') : this.#why(error), 'bad');
    if (error.code === CONFLICT) this.#ask('order.get', order.id);
  }

  async #cancel(order) {
    const error = await this.#ask('order.cancel', order.id);
    if (!error) return;
    toast(this.#why(error), 'bad');
    if (error.code === CONFLICT) this.#ask('order.get', order.id);
  }

  #why(error) {
    return BUSY.has(error.code) ? t('error.again') : this.explain(error);
  }

  /** Call about an order and take the answer; resolves with the error if there is none. */
  async #ask(method, order) {
    const me = this.#me;
    try {
      const answer = await this.client.rpc(method, { order });
      if (me === this.#me) this.orders.take(answer.order);
      return null;
    } catch (error) {
      return error;
    }
  }

  #askAboutOverdue() {
    if (this.client.state !== 'connected') return;
    const nowMs = this.clock.now();
    for (const { id, state, expires_at_ms: end } of this.orders.open()) {
      const isOverdue = state === 'reserved' && nowMs > end + OVERDUE_MS;
      if (!isOverdue || nowMs - (this.#askedAt.get(id) ?? 0) < OVERDUE_MS) continue;
      this.#askedAt.set(id, nowMs);
      this.#ask('order.get', id); // without an answer it is asked again when it is drawn again
    }
  }

  // ---- what comes in ------------------------------------------------------------------------

  #connected(user) {
    if (user !== this.#me) this.orders.clear();
    this.#me = user;
    this.coupons.of(user);
    this.clock.sync();
    this.#fetch();
  }

  #told(event) {
    if (event.t === 'order') this.orders.take(event.order);
    if (event.t === 'reward' && event.kind === 'coupon') this.coupons.fetch();
  }

  /** Events on this person's channel are not kept for who was away: fetch the list anew. */
  async #fetch() {
    const me = this.#me;
    this.#fetching = me ? 'loading' : 'nobody';
    this.changed();
    if (!me) return;
    try {
      const { orders } = await this.client.rpc('order.list');
      if (me !== this.#me) return;
      this.#fetching = 'ready';
      for (const order of orders) this.orders.take(order);
    } catch {
      if (me === this.#me) this.#fetching = 'failed';
    }
    this.changed();
  }

  #answered({ purchase, outcome, order }) {
    if (order) this.orders.take(order);
    if (purchase?.terms.coupons) this.coupons.fetch();
    const known = order && this.orders.get(order.id);
    const left = known?.expires_at_ms ? formatTimeLeft(known.expires_at_ms - this.clock.now()) : '';
    const words = t(`outcome.${outcome}`, { left, n: order?.position ?? '' });
    if (order) toast(words);
    if (!purchase) return;
    this.#say(purchase.sale, order ? '' : words);
    if (order && this.#saleSheet?.saleId === purchase.sale) this.#saleSheet.showOrder(order.id);
  }

  #refused({ sale, terms }, error) {
    if (terms.coupons) this.coupons.fetch(); // what was refused may be spent or over
    this.#say(sale, this.explain(error));
  }

  #say(sale, words) {
    if (this.#saleSheet?.saleId === sale) this.#saleSheet.say(words);
    else if (words) toast(words, 'bad');
  }

  #turned(order, before) {
    if (order.coupons) this.coupons.fetch();
    const key = before === 'queued' && order.state !== 'cancelled' ? `queue.${order.state}` : order.state;
    const words = TURNS[key];
    if (!words) return;
    const left = order.expires_at_ms ? formatTimeLeft(order.expires_at_ms - this.clock.now()) : '';
    toast(t(words, { left }), order.state === 'expired' ? 'bad' : 'info');
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || isBusyTyping(event.target)) return;
    if (event.key === 'o' || event.key === 'O') this.openOrders();
    if ((event.key === 'b' || event.key === 'B') && this.card.sale) this.openSale(this.card.sale.id);
  }
}

const BUSY = new Set([100, 503]);
const CONFLICT = 409;
const TOLD = new Set(['open', 'sold_out', 'countdown', 'paused', 'closed']);
const TURNS = {
  'queue.reserved': 'order.turn.offered',
  'queue.expired': 'order.turn.queue.expired',
  paid: 'order.turn.paid',
  expired: 'order.turn.expired',
  cancelled: 'order.turn.cancelled',
  refunded: 'order.turn.refunded',
};
