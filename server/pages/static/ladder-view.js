/** How far somebody has come on the ladder: valid arrivals, steps, and how many did not count. */

import { button, icon, make } from './dom.js';
import { formatCount, formatMoment } from './format.js';
import { language, t } from './i18n.js';
import { nothing } from './view-parts.js';

const KIND_ICON = { coupon: 'ticket', points: 'coins', red_packet: 'packet', voucher: 'voucher' };

export class LadderView {
  element = make('div', { class: 'ladder' });

  constructor(desk, sheet) {
    Object.assign(this, { desk, sheet });
  }

  /** Ask anew; rejects when there is no answer. */
  async load() {
    await this.desk.refresh();
    this.draw();
  }

  draw() {
    const { progress } = this.desk;
    const share = button({ icon: 'share', text: t('ladder.share'), class: 'button wide' }, () => this.sheet.share());
    if (!progress?.ladder) {
      const why = progress?.policy?.show_rewards === false ? progress.policy.why?.[language] : '';
      this.element.replaceChildren(nothing(why || t('ladder.none'), t('ladder.none.text'), share));
      return;
    }
    const { ladder } = progress;
    const over = ladder.state === 'ended';
    this.element.replaceChildren(
      make('h3', { class: 'ladder-title', text: ladder.title, dir: 'auto' }),
      make('p', { class: 'ladder-count' }, make('b', { class: 'tabular', text: formatCount(progress.valid, language) }), make('span', { text: t('ladder.valid') })),
      make('p', { class: 'soft', text: over ? t('ladder.over') : t('ladder.until', { time: formatMoment(ladder.ends_at_ms, language) }) }),
      make('ol', { class: 'tiers', 'aria-label': t('ladder.tiers') }, ...progress.tiers.map((tier) => tierRow(tier, progress))),
      ...this.#counts(progress),
      make('p', { class: 'soft', text: t(ladder.member_only ? 'ladder.rule.member' : 'ladder.rule', { seconds: ladder.stay_s }) }),
      ...(over ? [] : [share]),
    );
  }

  #counts({ pending, refused }) {
    const parts = [];
    if (pending > 0) parts.push(make('p', { class: 'pending-line' }, icon('clock'), make('span', { text: t('ladder.pending', { n: pending }) })));
    if (refused > 0) parts.push(make('details', { class: 'refused unfold' }, make('summary', { text: t('ladder.refused', { n: refused }) }), make('p', { class: 'soft', text: t('ladder.refused.text') })));
    return parts;
  }
}

function tierRow(tier, { valid, granted }) {
  const mine = granted.find((grant) => grant.tier === tier.number);
  const state = mine?.state === 'missed' ? 'missed' : mine ? 'granted' : tier.left === 0 ? 'none' : 'open';
  const words = {
    granted: () => t('ladder.tier.granted'),
    missed: () => t('ladder.tier.missed'),
    none: () => t('ladder.tier.none'),
    open: () => (tier.needs > valid ? t('ladder.tier.missing', { n: tier.needs - valid }) : t('ladder.pending', { n: '' })),
  }[state]();
  const share = Math.min(100, (valid / tier.needs) * 100);
  const bar = make('i');
  bar.style.width = `${share.toFixed(1)}%`;
  return make(
    'li',
    { class: 'tier', data: { state, tier: tier.number } },
    make('span', { class: 'tier-icon' }, icon(state === 'granted' ? 'check' : KIND_ICON[tier.kind])),
    make(
      'div',
      { class: 'tier-words' },
      make('p', { class: 'tier-title' }, make('b', { text: t('ladder.tier.needs', { n: tier.needs }) }), make('span', { text: tier.title, dir: 'auto' })),
      make('span', { class: 'bar-track', 'aria-hidden': 'true' }, bar),
      make('p', { class: 'tier-line soft' }, make('span', { text: words }), state === 'open' ? make('span', { text: t('ladder.tier.left', { n: formatCount(tier.left, language) }) }) : null),
    ),
  );
}
