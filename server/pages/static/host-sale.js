/** The host's sales: live counters, and the buttons that run a sale on air. */

import { byId, button, make, show, write } from './dom.js';
import { formatCount } from './format.js';
import { ACTS_IN, hostSaleActs } from './host-sale-acts.js';
import { language, onLanguage, t } from './i18n.js';
import { phaseOf, reasonOf } from './sale-rules.js';
import { itemTitle, phaseWords, saleTitle } from './sale-words.js';
import { ServerClock, Ticker } from './server-clock.js';

const SYNC_EVERY_MS = 60_000;
const DRAFTS_EVERY_MS = 15_000;
const LOOKS = { start: 'button', resume: 'button', arm: 'button', close: 'button quiet bad' };

/**
 * Show the sales of the room in `#sales`, now and whenever they change. `drafts()` resolves with
 * the sales that wait to be armed; `steer` as `hostSaleActs` takes it; `maySteer()` says whether
 * this person may. Returns a function to call when that has changed.
 */
export function mountHostSales({ client, state, steer, drafts, maySteer, reasonMax }) {
  const clock = new ServerClock({ ask: () => client.rpc('time.now') });
  const acts = hostSaleActs({ state, steer, reasonMax });
  const cards = new Map();
  let waiting = [];

  const draw = () => {
    const known = new Set(state.sales.map(({ id }) => id));
    const isOver = (sale) => sale.state === 'closed';
    const sales = [
      ...state.sales.filter((sale) => !isOver(sale)),
      ...waiting.filter(({ id }) => !known.has(id)),
      ...state.sales.filter(isOver),
    ];
    for (const [id, card] of cards) {
      if (sales.some((sale) => sale.id === id)) continue;
      card.element.remove();
      cards.delete(id);
    }
    sales.forEach((sale, index) => {
      let card = cards.get(sale.id);
      if (!card) cards.set(sale.id, (card = new HostSale({ state, clock, acts, maySteer })));
      card.draw(sale);
      const there = byId('sales').children[index];
      if (there !== card.element) byId('sales').insertBefore(card.element, there ?? null);
    });
    byId('room').dataset.sales = sales.length ? 'yes' : 'no';
    show(byId('sales-empty'), state.ready && !sales.length);
  };
  const ticker = new Ticker({
    clock,
    deadlines: () => state.sales.flatMap((sale) => [sale.starts_at_ms ?? 0, sale.ends_at_ms ?? 0]),
    draw,
  });
  const changed = () => {
    draw();
    ticker.restart();
  };
  const fetchDrafts = async () => {
    waiting = maySteer() ? await drafts() : [];
    changed();
  };
  clock.on('sync', changed);
  for (const part of ['reset', 'sales', 'shelf']) state.on(part, changed);
  state.on('reset', fetchDrafts);
  state.on('ordered', (event) => cards.get(event.sale)?.tell(event));
  client.on('connected', () => clock.sync());
  setInterval(() => client.state === 'connected' && clock.sync(), SYNC_EVERY_MS);
  setInterval(() => !document.hidden && client.state === 'connected' && fetchDrafts(), DRAFTS_EVERY_MS);
  onLanguage(changed);
  return changed;
}

/** One sale; patched, never rebuilt, so that no button vanishes under a finger. */
class HostSale {
  #sale = null;
  #drawnFor = '';
  #cells = new Map();
  #buttons = new Map();

  constructor(parts) {
    this.parts = parts;
    this.title = make('h3', { class: 'sale-title', dir: 'auto' });
    this.phase = make('span', { class: 'sale-phase' });
    this.left = make('span', { class: 'sale-left tabular' });
    this.head = make('tr');
    this.body = make('tbody');
    this.reason = make('p', { class: 'soft sale-reason', dir: 'auto' });
    this.latest = make('p', { class: 'soft sale-latest', dir: 'auto', hidden: true });
    this.tools = make('div', { class: 'sale-tools' });
    for (const name of ['arm', 'start', 'resume', 'restock', 'pause', 'close']) {
      const act = () => this.parts.acts[name](this.#sale);
      const press = button({ text: ' ', class: LOOKS[name] ?? 'button quiet', 'data-act': name }, act);
      this.#buttons.set(name, press);
      this.tools.append(press);
    }
    this.element = make(
      'li',
      { class: 'host-sale' },
      make('div', { class: 'sale-head' }, this.title, make('span', { class: 'sale-when' }, this.phase, this.left)),
      make('table', { class: 'sale-table tabular' }, make('thead', {}, this.head), this.body),
      this.reason, this.latest, this.tools,
    );
  }

  draw(sale) {
    this.#sale = sale;
    const { state, clock, maySteer } = this.parts;
    const nowMs = clock.now();
    const phase = phaseOf(sale, nowMs);
    this.element.dataset.phase = phase;
    this.element.dataset.sale = sale.id;
    const { words, left } = phase === 'draft' ? { words: t('desk.draft'), left: '' } : phaseWords(sale, phase, nowMs);
    write(this.title, saleTitle(state, sale));
    write(this.phase, words);
    write(this.left, left);
    show(this.left, left !== '');
    this.#drawTable(sale);
    const reason = reasonOf(sale, phase);
    write(this.reason, reason ? t('sale.reason', { reason }) : '');
    show(this.reason, reason !== '');
    const may = maySteer() ? (ACTS_IN[phase] ?? []) : [];
    for (const [name, press] of this.#buttons) {
      write(press.firstElementChild, t(`desk.${name}`));
      show(press, may.includes(name));
      press.style.order = String(may.indexOf(name));
    }
    show(this.tools, may.length > 0);
  }

  /** Somebody has bought. */
  tell({ names = [], count }) {
    const who = names.join(t('ticker.and'));
    const n = formatCount(count, language);
    write(this.latest, names.length && count <= names.length ? t('ticker.some', { names: who }) : t('ticker.many', { names: who, n }));
    show(this.latest, true);
  }

  #drawTable(sale) {
    const { state } = this.parts;
    const drawFor = JSON.stringify([language, sale.items.map((item) => [item.sku, itemTitle(state, sale, item)])]);
    if (drawFor !== this.#drawnFor) {
      this.#drawnFor = drawFor;
      this.#cells.clear();
      this.head.replaceChildren(...COLUMNS.map((name) => make('th', { scope: 'col', text: t(`desk.${name}`) })));
      this.body.replaceChildren(...sale.items.map((item) => this.#row(sale, item)));
    }
    for (const item of sale.items) {
      const counts = [item.stock, item.stock - item.available, item.available, item.waiting];
      this.#cells.get(item.sku).forEach((cell, i) => {
        const isKnown = i === 0 || sale.state !== 'draft';
        write(cell, isKnown ? formatCount(counts[i], language) : '–');
      });
    }
  }

  #row(sale, item) {
    const cells = COLUMNS.slice(1).map((name) => make('td', { class: `count-${name}` }));
    this.#cells.set(item.sku, cells);
    const title = itemTitle(this.parts.state, sale, item);
    return make('tr', {}, make('th', { scope: 'row', text: title, dir: 'auto' }), ...cells);
  }
}

const COLUMNS = ['item', 'on', 'taken', 'left', 'queue'];
