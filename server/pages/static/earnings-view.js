/** What sharing has earned: commissions and markups, pending until the time for refunds is over. */

import { make } from './dom.js';
import { formatCount, formatMoment } from './format.js';
import { language, t } from './i18n.js';
import { money } from './sale-words.js';
import { nothing } from './view-parts.js';

export class EarningsView {
  element = make('div', { class: 'earnings' });
  #earnings = { accounts: [], commissions: [] };

  constructor(desk) {
    this.desk = desk;
  }

  async load() {
    this.#earnings = await this.desk.client.rpc('earnings.list');
    this.draw();
  }

  draw() {
    const { accounts, commissions } = this.#earnings;
    if (!accounts.length && !commissions.length) {
      this.element.replaceChildren(nothing(t('earnings.empty'), t('earnings.empty.text')));
      return;
    }
    this.element.replaceChildren(
      make('dl', { class: 'balances' }, ...accounts.flatMap(standing)),
      ...(commissions.length ? [make('p', { class: 'soft', text: t('earnings.rule') }), make('ul', { class: 'earning-list' }, ...commissions.map(row))] : []),
    );
  }
}

const standing = ({ account, unit, minor }) => [
  make('dt', { class: 'soft', text: t(`earnings.${account}`) }),
  make('dd', { class: 'tabular', text: account === 'points' ? formatCount(minor, language) : money(minor, unit) }),
];

const row = ({ level, state, amount_minor: amount, currency, at_ms: at, release_at_ms: release }) =>
  make(
    'li',
    { class: 'earning', data: { state } },
    make(
      'p',
      { class: 'earning-head' },
      make('span', { text: t(level === 0 ? 'earnings.kind.markup' : 'earnings.kind.commission') }),
      make('b', { class: 'tabular', text: money(amount, currency) }),
    ),
    make(
      'p',
      { class: 'earning-line soft' },
      make('span', { text: formatMoment(at, language) }),
      make('span', { text: state === 'pending' ? t('earnings.release', { time: formatMoment(release, language) }) : t(`earnings.state.${state}`) }),
    ),
  );
