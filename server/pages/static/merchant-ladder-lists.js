/** What a ladder brought: arrivals and why they count or not, the ranking, and rewards given. */

import { make } from './dom.js';
import { t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { selectField, textField } from './merchant-fields.js';
import { saveButton } from './merchant-files.js';
import { emptyCard, mountList, mountLoaded, table } from './merchant-load.js';
import { badge, channelName, deskLink, filterBar, instant, money, units, withAll } from './merchant-parts.js';
import { GRANT_STATES, stayText, toneOf, VERDICTS } from './merchant-reward-rules.js';
import { hashOf } from './merchant-rules.js';

export const verdictBadge = (verdict) => badge(toneOf(verdict), t(`merchant.verdict.${verdict}`));
const grantBadge = (state) => badge(state, t(`merchant.grant.${state}`));
const personLink = (user) => (user ? deskLink(user, 'people', user) : make('span', { class: 'soft', text: '–' }));

/** Arrivals, newest first, with how many there are of each verdict. Returns `{close}`. */
export function openArrivals(place, { ladder, desk, filters }) {
  const bar = make('div');
  const counts = make('div');
  const body = make('div');
  place.replaceChildren(counts, bar, body);
  const path = apiPath('ladders', ladder.id, 'arrivals');
  const verdict = selectField({ name: 'verdict', label: t('merchant.arrival.verdict'), value: filters.verdict ?? '', options: withAll(VERDICTS.map((each) => [each, t(`merchant.verdict.${each}`)])) });
  const inviter = textField({ name: 'inviter', label: t('merchant.inviter'), value: filters.inviter ?? '', maxlength: 255, enterkeyhint: 'search' });
  bar.replaceChildren(filterBar([verdict, inviter], (chosen) => desk.go('ladders', ladder.id, { show: 'arrivals', ...chosen })));
  return mountList(body, {
    label: t('merchant.ladder.arrivals'),
    page: async (after) => {
      const answer = await desk.api.get(path, { verdict: filters.verdict, inviter: filters.inviter, after });
      counts.replaceChildren(...reasonBars(answer.counts, ladder));
      return { rows: answer.arrivals, next: answer.next };
    },
    empty: () => (filters.verdict || filters.inviter ? emptyCard('person', t('merchant.filter.none'), t('merchant.filter.none.text')) : emptyCard('person', t('merchant.arrival.none'), t('merchant.arrival.none.text'))),
    columns: [
      { name: t('merchant.arrival.entered'), cell: (row) => make('a', { class: 'link', href: hashOf('visits', row.visit), 'aria-label': t('merchant.visit.open') }, instant(row.entered_at_ms)) },
      { name: t('merchant.arrival.who'), cell: (row) => personLink(row.user) },
      { name: t('merchant.inviter'), cell: (row) => personLink(row.inviter) },
      { name: t('merchant.channel'), cell: (row) => channelName(row.channel) },
      { name: t('merchant.arrival.stayed'), look: 'number', cell: (row) => stayText(row.visible_ms) },
      { name: t('merchant.arrival.actions'), look: 'number', cell: (row) => units(row.actions) },
      { name: t('merchant.arrival.verdict'), cell: (row) => verdictBadge(row.verdict) },
    ],
  });
}

/** Every verdict that occurred as a bar beside the others, which also filters the list. */
function reasonBars(counts, ladder) {
  const rows = VERDICTS.map((verdict) => [verdict, counts[verdict] ?? 0]).filter(([, count]) => count);
  if (!rows.length) return [];
  const most = Math.max(...rows.map(([, count]) => count));
  const bar = ([verdict, count]) => {
    const share = make('i');
    share.style.width = `${(100 * count) / most}%`;
    return make(
      'li',
      { data: { tone: toneOf(verdict) } },
      make('a', { href: hashOf('ladders', ladder.id, { show: 'arrivals', verdict }) }, make('span', { text: t(`merchant.verdict.${verdict}`) }), make('span', { class: 'bar', 'aria-hidden': 'true' }, share), make('b', { class: 'tabular', text: units(count) })),
    );
  };
  return [make('ul', { class: 'card bars', 'aria-label': t('merchant.arrival.reasons') }, ...rows.map(bar))];
}

/** Who brought most, as it stands or as it was frozen at the end. Returns `{close}`. */
export function openRanking(place, { ladder, desk }) {
  const path = apiPath('ladders', ladder.id, 'ranking');
  const file = saveButton(t('merchant.ranking.csv'), (name) => desk.api.save(`${path}.csv`, {}, name), `ranking-${ladder.id}.csv`);
  const body = make('div');
  place.replaceChildren(make('div', { class: 'section-tools' }, file), body);
  return mountLoaded(body, {
    load: () => desk.api.get(path),
    draw: ({ top, frozen }) => (top.length ? [make('p', { class: 'soft', text: t(frozen ? 'merchant.ranking.frozen' : 'merchant.ranking.lead') }), rankTable(top)] : null),
    empty: () => emptyCard('steps', t('merchant.ranking.none'), t('merchant.ranking.none.text')),
  });
}

const rankTable = (rows) =>
  table(
    t('merchant.ladder.ranking'),
    [
      { name: t('merchant.ranking.rank'), cell: (row) => make('span', { class: 'tabular', text: units(row.rank) }) },
      { name: t('merchant.inviter'), cell: (row) => make('div', { class: 'two-lines' }, personLink(row.user), make('small', { class: 'soft', text: t('merchant.ranking.shown', { name: row.name }) })) },
      { name: t('merchant.ranking.valid'), look: 'number', cell: (row) => units(row.valid) },
      { name: t('merchant.ranking.reached'), cell: (row) => instant(row.reached_at_ms) },
    ],
    rows,
  );

/** Rewards that were granted or missed, newest first. Returns `{close}`. */
export function openGrants(place, { ladder, desk, filters }) {
  const body = make('div');
  const state = selectField({ name: 'state', label: t('merchant.state'), value: filters.state ?? '', options: withAll(GRANT_STATES.map((each) => [each, t(`merchant.grant.${each}`)])) });
  place.replaceChildren(filterBar([state], (chosen) => desk.go('ladders', ladder.id, { show: 'grants', ...chosen })), body);
  return mountList(body, {
    label: t('merchant.ladder.grants'),
    page: (after) => desk.api.page(apiPath('ladders', ladder.id, 'grants'), 'grants', { state: filters.state }, after),
    empty: () => (filters.state ? emptyCard('ticket', t('merchant.filter.none'), t('merchant.filter.none.text')) : emptyCard('ticket', t('merchant.grants.none'), t('merchant.grants.none.text'))),
    columns: [
      { name: t('merchant.order.when'), look: 'fixed', cell: (grant) => instant(grant.at_ms) },
      { name: t('merchant.arrival.who'), cell: (grant) => personLink(grant.user) },
      { name: t('merchant.tier.tier'), cell: (grant) => t(grant.tier ? 'merchant.tier.number' : 'merchant.newcomer', { n: grant.tier }) },
      { name: t('merchant.reward'), cell: (grant) => make('div', { class: 'two-lines' }, make('span', { text: grant.title, dir: 'auto' }), make('small', { class: 'soft', text: t(`merchant.reward.${grant.kind}`) })) },
      { name: t('merchant.tier.value'), look: 'number', cell: valueOf },
      { name: t('merchant.state'), cell: (grant) => grantBadge(grant.state) },
    ],
  });
}

function valueOf(grant) {
  if (grant.kind === 'points') return t('merchant.points', { n: units(grant.points) });
  return grant.value_minor ? money(grant.value_minor, grant.currency) : '–';
}
