/** Who has brought how many, with masked names; as it stood at the end once a ladder is over. */

import { make } from './dom.js';
import { formatCount } from './format.js';
import { language, t } from './i18n.js';
import { nothing } from './view-parts.js';

const ROWS = 50;

export class RankingView {
  element = make('div', { class: 'ranking' });
  #ranking = { top: [], me: null, frozen: false };
  #told = null;

  constructor(desk) {
    this.desk = desk;
  }

  async load() {
    this.#told = null;
    this.#ranking = await this.desk.client.rpc('share.ranking', { room: this.desk.room, limit: ROWS });
    this.draw();
    if (this.#told) this.take(this.#told);
  }

  /** The room hears of a newer top; one's own place is asked for when the view is opened. */
  take({ ladder, top }) {
    this.#told = { ladder, top }; // it may be newer than an answer that is on its way
    if (ladder !== this.#ranking.ladder || this.#ranking.frozen) return;
    const rest = this.#ranking.top.filter(({ rank }) => rank > top.length);
    this.#ranking = { ...this.#ranking, top: [...top, ...rest] };
    this.draw();
  }

  draw() {
    const { top, me, frozen } = this.#ranking;
    if (!top.length) {
      this.element.replaceChildren(nothing(t('ranking.empty'), t('ranking.empty.text')));
      return;
    }
    const own = me ? t('ranking.me', { rank: me.rank, n: formatCount(me.valid, language) }) : t('ranking.me.none');
    this.element.replaceChildren(
      make('p', { class: 'ranking-me', text: own }),
      make('ol', { class: 'ranks' }, ...top.map((row) => rankRow(row, row.rank === me?.rank))),
      make('p', { class: 'soft', text: t(frozen ? 'ranking.frozen' : 'ranking.rule') }),
    );
  }
}

const rankRow = ({ rank, name, valid }, mine) =>
  make(
    'li',
    { class: 'rank', data: { rank, mine: mine ? 'yes' : 'no' } },
    make('span', { class: 'rank-number tabular', text: rank, 'aria-label': t('ranking.rank', { n: rank }) }),
    make('bdi', { class: 'rank-name', text: name }),
    make('span', { class: 'tabular', text: t('ranking.valid', { n: formatCount(valid, language) }) }),
  );
