/** What the visits of the last days came to, in numbers that stay when the visits are gone. */

import { make } from './dom.js';
import { t } from './i18n.js';
import { mountLoaded } from './merchant-load.js';
import { facts, units } from './merchant-parts.js';
import { stayText, summed } from './merchant-reward-rules.js';

const COUNTED = ['visits', 'members', 'cards_opened', 'checkouts', 'orders', 'comments', 'likes', 'shares'];

/** The counters of a room, or of all; nothing where nobody came. Returns `{close}`. */
export function openCounts(place, desk, room = '') {
  return mountLoaded(place, {
    load: () => desk.api.get('/api/v1/visits/counters', { room }),
    draw: ({ counters }) => {
      const sums = summed(counters, [...COUNTED, 'visible_ms']);
      return sums.visits ? [countCard(sums)] : [];
    },
    empty: () => make('p'),
  });
}

const countCard = (sums) =>
  make(
    'section',
    { class: 'card counts' },
    make('h2', { text: t('merchant.counts.title') }),
    facts([
      ...COUNTED.map((name) => [t(`merchant.counts.${name}`), make('b', { class: 'tabular', text: units(sums[name]) })]),
      [t('merchant.counts.stay'), make('b', { class: 'tabular', text: stayText(sums.visible_ms / sums.visits) })],
    ]),
  );
