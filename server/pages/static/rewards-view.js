/** The rewards of one person: coupons, points, red packets to open, vouchers to show. */

import { button, make } from './dom.js';
import { formatCount, formatMoment } from './format.js';
import { language, t } from './i18n.js';
import { copyText } from './share-copy.js';
import { money } from './sale-words.js';
import { toast } from './sheet.js';
import { nothing } from './view-parts.js';

export class RewardsView {
  element = make('div', { class: 'rewards' });
  #rewards = [];

  constructor(desk, sheet) {
    Object.assign(this, { desk, sheet });
  }

  async load() {
    this.#rewards = (await this.desk.client.rpc('reward.list')).rewards;
    this.draw();
  }

  draw() {
    const rows = this.#rewards.map((reward) => this.#row(reward));
    const list = rows.length ? make('ul', { class: 'reward-list' }, ...rows) : nothing(t('reward.empty'), t('reward.empty.text'));
    this.element.replaceChildren(list);
  }

  #row(reward) {
    const { kind, title, state, grant } = reward;
    return make(
      'li',
      { class: 'reward', data: { kind, state, grant } },
      make('p', { class: 'reward-head' }, make('span', { class: 'reward-kind', text: t(`reward.kind.${kind}`) }), make('span', { class: 'soft', text: formatMoment(reward.at_ms, language) })),
      make('p', { class: 'reward-name', text: title, dir: 'auto' }),
      ...(state in GONE ? [make('p', { class: 'soft', text: t(GONE[state]) })] : this.#value(reward)),
    );
  }

  #value(reward) {
    const { kind, state, value, currency } = reward;
    if (kind === 'points') return [make('b', { text: t('reward.points', { n: formatCount(value, language) }) }), make('p', { class: 'soft', text: t('reward.points.note') })];
    if (kind === 'coupon') return [make('p', { class: 'soft', text: t('reward.coupon.note') })];
    if (kind === 'red_packet' && state === 'opened') return [make('b', { class: 'reward-sum', text: t('reward.opened', { price: money(value, currency) }) })];
    if (kind === 'red_packet') return this.#packet(reward);
    return [
      make('code', { class: 'voucher', text: value }),
      make('p', { class: 'soft', text: state === 'redeemed' ? t('reward.state.redeemed') : t('reward.voucher.note') }),
      ...(state === 'redeemed' ? [] : [button({ icon: 'copy', text: t('reward.voucher.copy'), class: 'button quiet' }, () => this.#copy(value))]),
    ];
  }

  #packet(reward) {
    const until = reward.expires_at_ms;
    const press = button({ icon: 'packet', text: t('reward.open'), class: 'button packet-open' }, () => this.#openPacket(reward, press));
    return [until ? make('p', { class: 'soft', text: t('reward.open.until', { time: formatMoment(until, language) }) }) : null, press].filter(Boolean);
  }

  async #openPacket({ grant }, press) {
    press.disabled = true;
    try {
      const { reward } = await this.desk.client.rpc('reward.open', { grant });
      this.#rewards = this.#rewards.map((one) => (one.grant === grant ? reward : one));
      toast(t('reward.opened', { price: money(reward.value, reward.currency) }));
      this.draw();
    } catch (error) {
      press.disabled = false;
      toast(t('reward.open.failed', { reason: this.desk.explain(error) }), 'bad');
    }
  }

  async #copy(code) {
    const done = await copyText(code, this.sheet.dialog);
    toast(t(done ? 'reward.voucher.copied' : 'share.copy.self'), done ? 'info' : 'bad');
  }
}

const GONE = { expired: 'reward.state.expired', missed: 'reward.state.missed' };
