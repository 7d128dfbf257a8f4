/** One ladder: its plan with what it costs, who arrived and why it counted or not, and rewards. */

import { button, make } from './dom.js';
import { language, t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { sectionBar } from './merchant-filters.js';
import { LADDER_ACTS } from './merchant-ladder-acts.js';
import { costsOf } from './merchant-ladder-costs.js';
import { openArrivals, openGrants, openRanking } from './merchant-ladder-lists.js';
import { ladderBadge, runOf } from './merchant-ladders.js';
import { mountLoaded } from './merchant-load.js';
import { formatSpan } from './merchant-numbers.js';
import { code, facts, money, outLink, pageHead, shareBar, units } from './merchant-parts.js';
import { ladderActsOf, shownState } from './merchant-reward-rules.js';
import { hashOf } from './merchant-rules.js';

const AGAIN_MS = 10_000;
const ENDING_AGAIN_MS = 2000;
const SECTIONS = { arrivals: openArrivals, ranking: openRanking, grants: openGrants };

/** The view of one ladder; `show` among the filters says which section. Returns `{close, move}`. */
export function openLadder(place, desk, { id, filters }) {
  let shown = filters;
  let inner = null;
  const loaded = mountLoaded(place, {
    load: async () => {
      const ladder = await desk.api.get(apiPath('ladders', id));
      const costs = await desk.api.post(apiPath('ladders', id, 'simulate'));
      if (ladder.state !== 'draft') costs.problems = []; // they speak against publishing
      return { ladder, costs };
    },
    draw: (found) => {
      inner?.close();
      const about = { ...found, desk, filters: shown, changed: () => loaded.refresh() };
      const body = make('div', { class: 'section-body' });
      const open = SECTIONS[shown.show] ?? openOverview;
      inner = open(body, about);
      return [...headOf(about), body];
    },
    again: ({ ladder }) => {
      if (shownState(ladder) === 'ending') return ENDING_AGAIN_MS;
      return ladder.state === 'published' && !SECTIONS[shown.show] ? AGAIN_MS : 0;
    },
  });
  return {
    close() {
      inner?.close();
      loaded.close();
    },
    /** Another section of the same ladder. */
    move(to) {
      if (to.id !== id) return false;
      shown = to.filters;
      loaded.refresh();
      return true;
    },
  };
}

function headOf(about) {
  const { ladder, filters } = about;
  const tools = ladderActsOf(shownState(ladder)).map((act, index) => actButton(act, index, about));
  const sections = [['', t('merchant.ladder.plan')], ['arrivals', t('merchant.ladder.arrivals')], ['ranking', t('merchant.ladder.ranking')], ['grants', t('merchant.ladder.grants')]];
  return [
    pageHead(ladder.title, { back: { href: hashOf('ladders'), words: t('merchant.nav.ladders') }, beside: ladderBadge(ladder), tools }),
    ladder.state === 'draft' ? null : sectionBar(sections, filters.show ?? '', (show) => hashOf('ladders', ladder.id, { show })),
  ].filter(Boolean);
}

function actButton(act, index, about) {
  const words = t(`merchant.ladder.act.${act}`);
  if (act === 'edit') return make('a', { class: 'button quiet', href: hashOf('plan', about.ladder.id), 'data-key': 'act-edit', text: words });
  const isOff = act === 'publish' && about.costs.problems.length > 0;
  return button({ text: words, class: `button${index || act === 'end' ? ' quiet' : ''}`, 'data-key': `act-${act}`, disabled: isOff }, () =>
    LADDER_ACTS[act](about).then((done) => done && about.changed()));
}

function openOverview(body, { ladder, costs }) {
  const isDraft = ladder.state === 'draft';
  body.replaceChildren(
    make('section', { class: 'card' }, planFacts(ladder)),
    make('h2', { class: 'section', text: t('merchant.ladder.tiers') }),
    make('ol', { class: 'goods' }, ...ladder.tiers.map((tier) => tierCard(tier, ladder, isDraft))),
    make('h2', { class: 'section', text: t('merchant.cost.title') }),
    make('div', { class: 'costs' }, ...costsOf(costs, ladder.tiers, ladder.currency)),
    make('h2', { class: 'section', text: t('merchant.rules') }),
    make('section', { class: 'card' }, ruleFacts(ladder.thresholds)),
  );
  return { close() {} };
}

const planFacts = (ladder) =>
  facts([
    [t('merchant.room.room'), make('span', { class: 'links' }, code(ladder.room), outLink(t('merchant.room.viewer'), `/r/${encodeURIComponent(ladder.room)}`))],
    [t('merchant.ladder.runs'), runOf(ladder)],
    [t('merchant.ladder.budget'), money(ladder.budget_minor, ladder.currency)],
    [t('merchant.ladder.spent'), money(ladder.taken_minor, ladder.currency)],
    ladder.newcomer_batch ? [t('merchant.newcomer'), make('span', { text: `${ladder.newcomer_batch} × ${units(ladder.newcomer_stock)}` })] : null,
  ]);

function tierCard(tier, ladder, isDraft) {
  const given = tier.stock - tier.left;
  const worth = tier.kind === 'red_packet' ? t('merchant.tier.inall', { amount: money(tier.pool_minor, ladder.currency) }) : money(tier.cost_minor, ladder.currency);
  const bar = isDraft ? null : shareBar([['sold', given, t('merchant.tier.given')], ['available', tier.stock - given, t('merchant.tier.left')]], tier.stock);
  return make(
    'li',
    { class: 'card', data: { tier: tier.number } },
    make('div', { class: 'goods-head' },
      make('div', { class: 'two-lines' }, make('b', { text: tier.title, dir: 'auto' }), make('small', { class: 'soft', text: t('merchant.tier.from', { n: units(tier.needs) }) })),
      make('span', { class: 'price tabular', text: worth })),
    make('p', { class: 'soft', text: rewardWords(tier) }),
    bar,
  );
}

function rewardWords(tier) {
  const words = [t(`merchant.reward.${tier.kind}`)];
  if (tier.kind === 'coupon') words.push(tier.coupon_batch);
  if (tier.kind === 'points') words.push(t('merchant.points', { n: units(tier.points) }));
  words.push(t('merchant.tier.pieces', { n: units(tier.stock) }));
  return words.join(' · ');
}

const ruleFacts = (rules) =>
  facts([
    [t('merchant.rule.stay'), formatSpan(Math.round(rules.stay_ms / 1000), language)],
    [t('merchant.rule.actions'), units(rules.actions)],
    [t('merchant.rule.settle'), formatSpan(Math.round(rules.settle_ms / 1000), language)],
    [t('merchant.rule.persons_per_device_max'), units(rules.persons_per_device_max)],
    [t('merchant.rule.arrivals_per_net_max'), units(rules.arrivals_per_net_max)],
    [t('merchant.rule.arrivals_per_agent_max'), units(rules.arrivals_per_agent_max)],
    [t('merchant.rule.own_browser_max'), units(rules.own_browser_max)],
    [t('merchant.rule.member_only'), t(`merchant.counted.${rules.member_only ? 'yes' : 'no'}`)],
  ]);
