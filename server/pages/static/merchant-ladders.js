/** Ladders of rewards: the list, by room and state. */

import { icon, make } from './dom.js';
import { t } from './i18n.js';
import { selectField } from './merchant-fields.js';
import { emptyList, mountFilters, roomField } from './merchant-filters.js';
import { emptyCard, mountList } from './merchant-load.js';
import { badge, deskLink, instant, money, pageHead, units, withAll } from './merchant-parts.js';
import { LADDER_STATES, shownState, worstCase } from './merchant-reward-rules.js';
import { hashOf } from './merchant-rules.js';

/** The state of a ladder in a word. */
export const ladderBadge = (ladder) => badge(shownState(ladder), t(`merchant.ladder.state.${shownState(ladder)}`));

/** From when to when; one that has no start begins when it is published. */
export const runOf = (ladder) =>
  make('span', { class: 'span' }, instant(ladder.starts_at_ms ?? ladder.published_at_ms, t('merchant.ladder.starts.publish')), ' – ', instant(ladder.ends_at_ms));

/** The view of all ladders. Returns `{close}`. */
export function openLadders(place, desk, { filters }) {
  const body = make('div');
  const bar = make('div');
  const create = () => make('a', { class: 'button', href: hashOf('plan', '', filters.room ? { room: filters.room } : {}) }, icon('plus'), make('span', { text: t('merchant.ladder.new') }));
  place.replaceChildren(pageHead(t('merchant.nav.ladders'), { lead: t('merchant.ladder.lead'), tools: [create()] }), bar, body);
  const states = LADDER_STATES.map((each) => [each, t(`merchant.ladder.state.${each}`)]);
  mountFilters(bar, desk, (rooms) => [
    roomField(rooms, filters.room),
    selectField({ name: 'state', label: t('merchant.state'), value: filters.state ?? '', options: withAll(states) }),
  ], (chosen) => desk.go('ladders', '', chosen));
  return mountList(body, {
    label: t('merchant.nav.ladders'),
    page: (after) => desk.api.page('/api/v1/ladders', 'ladders', filters, after),
    empty: () => emptyList('steps', 'ladders', filters, () => emptyCard('steps', t('merchant.ladder.none'), t('merchant.ladder.none.text'), create())),
    columns: [
      { name: t('merchant.ladder.ladder'), cell: (ladder) => make('div', { class: 'two-lines' }, deskLink(ladder.title, 'ladders', ladder.id), make('small', { class: 'soft', text: t('merchant.sale.in', { room: ladder.room }) })) },
      { name: t('merchant.state'), cell: (ladder) => ladderBadge(ladder) },
      { name: t('merchant.ladder.runs'), cell: runOf },
      { name: t('merchant.ladder.tiers'), look: 'number', cell: (ladder) => units(ladder.tiers.length) },
      { name: t('merchant.ladder.worst'), look: 'number', cell: (ladder) => money(worstCase(ladder).total, ladder.currency) },
      { name: t('merchant.ladder.budget'), look: 'number', cell: (ladder) => money(ladder.budget_minor, ladder.currency) },
    ],
  });
}
