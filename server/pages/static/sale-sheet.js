/** The sheet where somebody buys: choose, how many, buy or wait, and the orders of this sale. */

import { button, make, picture, show, write } from './dom.js';
import { formatCount, formatTimeLeft } from './format.js';
import { language, t } from './i18n.js';
import { OrderCards } from './order-cards.js';
import { offerOf, phaseOf, reasonOf, unitsAllowed } from './sale-rules.js';
import { SalePricing } from './sale-pricing.js';
import { itemTitle, money, phaseWords, pictureOf } from './sale-words.js';
import { makeSheet } from './sheet.js';

/**
 * One open sheet of one sale; `onClose` when it is gone. `product` is shown first, or ''. `parts` as
 * for `OrderCards` and `SalePricing`, and `orders`, `purchases`, `visit`, `buy({sale, sku, qty,
 * waitlist, terms})`. Call `draw` whenever anything may have changed.
 */
export class SaleSheet {
  #sku = null;
  #qty = 1;
  #said = '';
  #rows = new Map();
  #drawnFor = '';
  #pictured = null;

  constructor(saleId, product, parts, onClose) {
    this.saleId = saleId;
    this.parts = parts;
    this.#sku = parts.state.sale(saleId)?.items.find((item) => item.product === product)?.sku ?? null;
    this.#build();
    this.dialog = makeSheet(
      { title: t('sale.title'), look: 'sale-sheet' },
      this.mine, this.head, this.chooser, this.quantity, this.pricing.element, this.notes, this.foot,
    );
    this.dialog.addEventListener('close', onClose);
    this.draw();
    this.#tellOpened();
  }

  /** What came of the last purchase, in words; it stands until something else is asked. */
  say(words) {
    this.#said = words;
    this.draw();
  }

  /** Show a new order at the top, and let the next key press go to it instead of to buying. */
  showOrder(id) {
    this.draw();
    this.dialog.querySelector('.sheet-body').scrollTo({ top: 0 });
    this.cards.focus(id);
  }

  draw() {
    const { state, clock, orders } = this.parts;
    const sale = state.sale(this.saleId);
    this.cards.draw(ownOrders(orders, this.saleId));
    show(this.mine, this.mine.childElementCount > 0);
    const parts = [this.head, this.chooser, this.quantity, this.pricing.element, this.notes];
    for (const part of parts) show(part, Boolean(sale));
    if (!sale) {
      this.#drawButton(null, 'closed', 'not', 0);
      return;
    }
    const phase = phaseOf(sale, clock.now(), clock.errorMs);
    this.dialog.dataset.phase = phase;
    this.#drawChooser(sale, phase);
    const item = sale.items.find(({ sku }) => sku === this.#sku);
    const taken = orders.unitsOf(sale.id, item.sku);
    const offer = offerOf(item, phase, taken);
    this.#drawHead(sale, item, phase);
    this.#drawQuantity(item, offer, taken);
    this.pricing.draw(sale, item, this.#qty, offer);
    this.#drawNotes(sale, item, phase, taken, offer);
    this.#drawButton(sale, phase, offer, this.pricing.amount(item.price_minor * this.#qty));
  }

  #build() {
    this.mine = make('ul', { class: 'orders', 'aria-label': t('orders.title') });
    this.cards = new OrderCards(this.mine, this.parts);
    this.picture = make('span', { class: 'product-picture' });
    this.title = make('h3', { class: 'product-title', dir: 'auto' });
    this.price = make('span', { class: 'price tabular' });
    this.words = make('span', { class: 'sale-phase' });
    this.left = make('span', { class: 'sale-left tabular' });
    const line = make('p', { class: 'sale-head' }, this.words, this.left);
    const texts = make('div', { class: 'product-words' }, line, this.title, this.price);
    this.sharing = button({ icon: 'share', label: t('action.share'), class: 'icon-button sale-share' }, () => this.#share());
    this.head = make('div', { class: 'sale-top' }, this.picture, texts, this.sharing);
    this.choices = make('div', { class: 'choices' });
    this.legend = make('legend', { class: 'soft', text: t('sale.choose') });
    this.chooser = make('fieldset', { class: 'chooser' }, this.legend, this.choices);
    this.less = button({ icon: 'minus', label: t('sale.less'), class: 'round-button' }, () => this.#step(-1));
    this.more = button({ icon: 'plus', label: t('sale.more'), class: 'round-button' }, () => this.#step(1));
    this.count = make('output', { class: 'tabular' });
    this.quantityWords = make('span', { class: 'soft', text: t('sale.quantity') });
    const stepper = make('div', { class: 'stepper' }, this.less, this.count, this.more);
    this.quantity = make('div', { class: 'quantity' }, this.quantityWords, stepper);
    this.pricing = new SalePricing(this.parts, () => this.draw());
    this.notes = make('ul', { class: 'notes soft' });
    this.message = make('p', { class: 'sale-message', role: 'status' });
    this.go = button({ text: ' ', class: 'button wide sale-buy' }, () => this.#pressed());
    this.retry = button({ text: ' ', class: 'button quiet' }, () => this.#again());
    this.stop = button({ text: ' ', class: 'button quiet' }, () => this.parts.purchases.giveUp(this.saleId));
    this.tools = make('div', { class: 'actions' }, this.stop, this.retry);
    this.foot = make('div', { class: 'sale-foot' }, this.message, this.tools, this.go);
  }

  #drawHead(sale, item, phase) {
    const { state, clock } = this.parts;
    const url = pictureOf(state, item);
    if (this.#pictured !== url) this.picture.replaceChildren(picture(url));
    this.#pictured = url;
    const { words, left } = phaseWords(sale, phase, clock.now());
    write(this.words, words);
    write(this.left, left);
    show(this.left, left !== '');
    write(this.title, item.title);
    show(this.sharing, state.shelf.some(({ id }) => id === item.product)); // only what stands there
    write(this.price, money(item.price_minor, sale.currency));
  }

  /** Radio buttons, made anew only when there are other items or other words. */
  #drawChooser(sale, phase) {
    const drawFor = JSON.stringify([language, sale.items.map(({ sku, title }) => [sku, title])]);
    if (!sale.items.some(({ sku }) => sku === this.#sku)) {
      this.#sku = (sale.items.find(({ available }) => available > 0) ?? sale.items[0]).sku;
    }
    if (drawFor !== this.#drawnFor) {
      this.#drawnFor = drawFor;
      this.#rows.clear();
      this.choices.replaceChildren(...sale.items.map((item) => this.#choice(sale, item)));
    }
    show(this.chooser, sale.items.length > 1);
    for (const item of sale.items) {
      const { row, left } = this.#rows.get(item.sku);
      row.dataset.gone = item.available ? 'no' : 'yes';
      write(left, stockWords(item, phase));
    }
  }

  #choice(sale, item) {
    const input = make('input', { type: 'radio', name: 'sku', value: item.sku, checked: item.sku === this.#sku });
    input.addEventListener('change', () => {
      this.#sku = item.sku;
      this.parts.visit.tell('sku_pick', { sku: item.sku });
      this.#said = '';
      this.draw();
    });
    const left = make('span', { class: 'choice-left soft tabular' });
    const row = make(
      'label',
      { class: 'choice' },
      input,
      make('span', { class: 'choice-title', text: itemTitle(this.parts.state, sale, item), dir: 'auto' }),
      left,
      make('span', { class: 'price tabular', text: money(item.price_minor, sale.currency) }),
    );
    this.#rows.set(item.sku, { row, left });
    return row;
  }

  /** Share the product of the chosen item; the sheet makes way. */
  #share() {
    const { state, onShare } = this.parts;
    const item = state.sale(this.saleId)?.items.find(({ sku }) => sku === this.#sku);
    const product = state.shelf.find(({ id }) => id === item?.product);
    this.dialog.close();
    onShare(product);
  }

  #tellOpened() {
    const item = this.parts.state.sale(this.saleId)?.items.find(({ sku }) => sku === this.#sku);
    if (item?.product) this.parts.visit.tell('card_open', { product: item.product });
  }

  #step(by) {
    this.#qty += by;
    this.draw();
  }

  #drawQuantity(item, offer, taken) {
    const most = offer === 'buy' || offer === 'not' ? unitsAllowed(item, taken) : 1;
    this.#qty = Math.max(1, Math.min(this.#qty, most));
    show(this.quantity, most > 1);
    write(this.count, String(this.#qty));
    this.less.disabled = this.#qty <= 1;
    this.more.disabled = this.#qty >= most;
  }

  #drawNotes(sale, item, phase, taken, offer) {
    const limit = { n: item.per_user_max, taken };
    const reason = reasonOf(sale, phase);
    const lines = [
      t(taken ? 'sale.limit.taken' : 'sale.limit', limit),
      phase === 'closed' ? '' : t('sale.hold', { time: spanWords(sale.hold_seconds) }),
      offer === 'wait' ? t('sale.back') : '',
      reason ? t('sale.reason', { reason }) : '',
    ].filter(Boolean);
    const drawn = [...this.notes.children].map(({ textContent }) => textContent);
    if (lines.join('\n') === drawn.join('\n')) return;
    this.notes.replaceChildren(...lines.map((text) => make('li', { text, dir: 'auto' })));
  }

  #drawButton(sale, phase, offer, amountMinor) {
    const { clock, purchases } = this.parts;
    const purchase = purchases.of(this.saleId);
    const isBusy = purchase !== null && purchase.state !== 'signin';
    const buyable = offer === 'buy' || offer === 'wait';
    let words;
    if (isBusy) words = t('sale.buy.busy');
    else if (offer === 'buy') words = t('sale.buy', { price: money(amountMinor, sale.currency) });
    else if (offer === 'wait') words = t('sale.buy.wait');
    else if (offer === 'limit') words = t('sale.buy.limit');
    else if (phase === 'countdown') {
      words = t('sale.buy.countdown', { left: formatTimeLeft(sale.starts_at_ms - clock.now()) });
    } else words = t(`sale.buy.${phase}`);
    write(this.go.firstElementChild, words);
    this.go.dataset.offer = offer;
    this.go.setAttribute('aria-disabled', String(isBusy || !buyable || this.pricing.busy));
    const state = purchase?.state;
    const told = ['waiting', 'again', 'failed', 'signin'].includes(state) ? t(`purchase.${state}`) : '';
    write(this.message, told || (isBusy ? '' : this.#said));
    show(this.message, this.message.textContent !== '');
    show(this.tools, told !== '');
    show(this.retry, state === 'failed' || state === 'signin');
    write(this.retry.firstElementChild, t(state === 'signin' ? 'purchase.continue' : 'purchase.retry'));
    write(this.stop.firstElementChild, t('purchase.stop'));
    show(this.go, !told || state === 'again');
  }

  #again() {
    const { purchases, askName } = this.parts;
    if (purchases.of(this.saleId)?.state === 'signin') askName();
    else purchases.retry(this.saleId);
  }

  #pressed() {
    if (this.go.getAttribute('aria-disabled') === 'true') return;
    this.#said = '';
    const waitlist = this.go.dataset.offer === 'wait';
    const qty = waitlist ? 1 : this.#qty;
    this.parts.visit.tell('checkout', { sale: this.saleId });
    const terms = this.pricing.terms(this.#sku);
    this.parts.buy({ sale: this.saleId, sku: this.#sku, qty, waitlist, terms });
  }
}

/** Those that wait for the buyer, then the newest that is paid: more is in the list of all orders. */
function ownOrders(orders, sale) {
  const own = orders.ofSale(sale);
  const open = orders.open().filter((order) => order.sale === sale);
  const [paid] = own.filter(({ state }) => state === 'paid');
  return paid ? [...open, paid] : open;
}

function stockWords(item, phase) {
  if (item.available === 0) return t('sale.left.none');
  return t(phase === 'open' ? 'sale.left' : 'sale.units', { n: formatCount(item.available, language) });
}

const spanWords = (seconds) =>
  seconds % 60 ? t('sale.seconds', { n: seconds }) : t('sale.minutes', { n: seconds / 60 });
