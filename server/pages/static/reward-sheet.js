/** The sheet of what sharing brings: how far one has come, rewards, ranking and earnings. */

import { button, make, show, write } from './dom.js';
import { t } from './i18n.js';
import { EarningsView } from './earnings-view.js';
import { LadderView } from './ladder-view.js';
import { RankingView } from './ranking-view.js';
import { RewardsView } from './rewards-view.js';
import { makeSheet } from './sheet.js';

const VIEWS = { progress: LadderView, rewards: RewardsView, ranking: RankingView, earnings: EarningsView };

/** One open sheet at one of VIEWS; `onClose` when it is gone. A view has `element` and `load()`. */
export class RewardSheet {
  #tab = '';
  #asked = 0;

  constructor(tab, desk, onClose) {
    this.desk = desk;
    this.views = Object.fromEntries(Object.entries(VIEWS).map(([name, View]) => [name, new View(desk, this)]));
    const picks = Object.keys(VIEWS).map((name) => this.#pick(name));
    this.tabs = make('fieldset', { class: 'tab-picks' }, make('legend', { class: 'only-read', text: t('reward.tabs') }), ...picks);
    this.words = make('p', { class: 'empty', role: 'status' });
    this.again = button({ text: t('action.retry'), class: 'button quiet wide' }, () => this.open(this.#tab));
    this.place = make('div', { class: 'reward-view' });
    this.dialog = makeSheet({ title: t('reward.title'), look: 'reward-sheet' }, this.tabs, this.place, this.words, this.again);
    this.dialog.addEventListener('close', onClose);
    this.open(tab);
  }

  /** Show a view, and ask for what it shows. What it knew stands until there is an answer. */
  async open(name, { quietly = false } = {}) {
    this.#tab = name;
    this.#asked += 1;
    const asked = this.#asked;
    const view = this.views[name];
    for (const input of this.tabs.querySelectorAll('input')) input.checked = input.value === name;
    this.place.replaceChildren(view.element);
    if (!quietly) this.#say(t('reward.loading'));
    try {
      await view.load();
      if (asked === this.#asked) this.#say('');
    } catch (error) {
      if (asked === this.#asked && !quietly) this.#say(this.desk.explain(error), true);
    }
  }

  /** Close, and open the sheet to share the room. */
  share() {
    this.dialog.close();
    this.desk.share({ kind: 'room' });
  }

  progressed() {
    if (this.#tab === 'progress') this.views.progress.draw();
  }

  rewarded() {
    this.open(this.#tab, { quietly: true });
  }

  ranked(event) {
    this.views.ranking.take(event);
  }

  #say(words, failed = false) {
    this.place.hidden = words !== '';
    write(this.words, words);
    show(this.words, words !== '');
    show(this.again, failed);
  }

  #pick(name) {
    const input = make('input', { type: 'radio', name: 'view', value: name });
    input.addEventListener('change', () => this.open(name));
    return make('label', { class: 'tab-pick' }, input, make('span', { text: t(`reward.tab.${name}`) }));
  }
}

