/** What a purchase comes to: coupons to choose, the server's price, and why it is that. */

import { couponLife, couponTerms, ruleWords } from './coupon-words.js';
import { button, make, show, write } from './dom.js';
import { language, t } from './i18n.js';
import { money } from './sale-words.js';

const SETTLED_MS = 150; // after the last press of a stepper

/**
 * A part of the sale's sheet. `parts`: `coupons`, `quote(basket)`, `shareFor(skus)` (the code of a
 * link whose prices hold, or ''), `explain(error)`, `clock`; `onChange()` when the price changed.
 */
export class SalePricing {
  #chosen = new Set();
  #asked = '';
  #quote = null; // the answer to #asked, null until it is there
  #wrong = '';
  #timer;
  #drawnFor = '';

  constructor(parts, onChange) {
    this.parts = parts;
    this.onChange = onChange;
    this.count = make('span', { class: 'coupon-count' });
    this.list = make('ul', { class: 'coupon-picks' });
    this.picker = make(
      'details',
      { class: 'coupon-picker unfold' },
      make('summary', {}, make('span', { text: t('coupon.title') }), this.count),
      this.list,
    );
    this.wrongWords = make('p', { class: 'field-error' });
    this.wrong = make('div', { class: 'pricing-wrong', role: 'alert' }, this.wrongWords, button({ text: t('action.retry'), class: 'button quiet wide' }, () => this.#again()));
    this.sums = make('dl', { class: 'sums', 'aria-live': 'polite' });
    this.element = make('div', { class: 'pricing' }, this.picker, this.wrong, this.sums);
  }

  /** Bring it up to date with what is about to be bought. `offer` as of `offerOf`. */
  draw(sale, item, qty, offer) {
    const { coupons, clock } = this.parts;
    const usable = offer === 'buy' || offer === 'not' ? coupons.usable(sale, item, clock.now()) : [];
    for (const id of this.#chosen) if (!usable.some((coupon) => coupon.id === id)) this.#chosen.delete(id);
    this.#ask(this.#basket(sale, item, qty));
    this.#drawPicks(usable);
    this.#drawSums(sale);
    show(this.picker, usable.length > 0);
    show(this.element, [this.picker, this.wrong, this.sums].some((part) => !part.hidden));
  }

  /** What it comes to: by the server's quote, else by the price that is shown. */
  amount(shownMinor) {
    return this.#quote?.amount_minor ?? shownMinor;
  }

  /** True while the price of what is chosen is not known, because it is asked for or in vain. */
  get busy() {
    return this.#asked !== '' && !this.#quote;
  }

  /** What belongs to the order: `{coupons?, share?}`. A coupon that takes nothing off is not spent. */
  terms(sku) {
    const applied = (this.#quote?.price ?? []).filter(({ why_not: why }) => !why).map(({ coupon }) => coupon);
    const share = this.parts.shareFor([sku]);
    return { ...(applied.length ? { coupons: applied } : {}), ...(share ? { share } : {}) };
  }

  #basket(sale, item, qty) {
    const coupons = [...this.#chosen].sort();
    const share = this.parts.shareFor([item.sku]);
    if (!coupons.length && !share) return null; // the price that is shown is the price
    return { sale: sale.id, sku: item.sku, qty, ...(coupons.length ? { coupons } : {}), ...(share ? { share } : {}) };
  }

  #ask(basket) {
    const asked = basket ? JSON.stringify(basket) : '';
    if (asked === this.#asked) return;
    this.#asked = asked;
    this.#quote = null;
    this.#wrong = '';
    clearTimeout(this.#timer);
    if (basket) this.#timer = setTimeout(() => this.#fetch(basket, asked), SETTLED_MS);
  }

  #again() {
    this.#asked = '';
    this.onChange();
  }

  async #fetch(basket, asked) {
    try {
      const quote = await this.parts.quote(basket);
      if (asked === this.#asked) this.#quote = quote;
    } catch (error) {
      if (asked === this.#asked) this.#wrong = this.parts.explain(error);
    }
    if (asked === this.#asked) this.onChange();
  }

  #drawPicks(usable) {
    write(this.count, this.#chosen.size ? t('coupon.chosen', { n: this.#chosen.size }) : t('coupon.usable', { n: usable.length }));
    const drawFor = JSON.stringify([language, usable]);
    if (drawFor === this.#drawnFor) return;
    this.#drawnFor = drawFor;
    this.list.replaceChildren(...usable.map((coupon) => this.#pick(coupon)));
  }

  #pick(coupon) {
    const input = make('input', { type: 'checkbox', value: coupon.id, checked: this.#chosen.has(coupon.id) });
    input.addEventListener('change', () => {
      if (input.checked) this.#chosen.add(coupon.id);
      else this.#chosen.delete(coupon.id);
      this.onChange();
    });
    const words = make(
      'span',
      { class: 'coupon-words' },
      make('span', { class: 'coupon-name', text: coupon.title, dir: 'auto' }),
      make('span', { class: 'soft', text: `${couponTerms(coupon)} · ${couponLife(coupon)}` }),
    );
    return make('li', {}, make('label', { class: 'coupon-pick check' }, input, words));
  }

  #drawSums(sale) {
    show(this.wrong, this.#wrong !== '');
    write(this.wrongWords, this.#wrong);
    const quote = this.#quote;
    const explained = quote && (quote.price ?? []).length > 0;
    show(this.sums, Boolean(explained));
    const drawFor = JSON.stringify([language, quote]);
    if (!explained || this.sums.dataset.for === drawFor) return;
    this.sums.dataset.for = drawFor;
    const row = (name, value, look = '') => [make('dt', { class: look, text: name, dir: 'auto' }), make('dd', { class: `${look} tabular`, text: value })];
    this.sums.replaceChildren(
      ...row(t('coupon.sum.list'), money(quote.list_minor, sale.currency)),
      ...quote.price.flatMap((rule) => row(rule.title, ruleWords(rule, sale.currency), rule.why_not ? 'unused' : 'used')),
      ...row(t('coupon.sum.pay'), money(quote.amount_minor, sale.currency), 'pay'),
    );
  }
}
