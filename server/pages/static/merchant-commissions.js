/** Commissions: the plan of a room, and what has been earned, released and taken back. */

import { button, make } from './dom.js';
import { t } from './i18n.js';
import { apiPath } from './merchant-api.js';
import { ask } from './merchant-ask.js';
import { percentField, selectField, textField, wholeField } from './merchant-fields.js';
import { emptyList, mountFilters, roomField } from './merchant-filters.js';
import { emptyCard, mountList, mountLoaded } from './merchant-load.js';
import { plainPercent } from './merchant-numbers.js';
import { badge, deskLink, facts, instant, money, pageHead, units, withAll } from './merchant-parts.js';
import { COMMISSION_STATES } from './merchant-reward-rules.js';

const DAYS_MAX = 365;
const LEVEL_PERCENT_MAX = 50;

export const commissionBadge = (state) => badge(state, t(`merchant.commission.state.${state}`));

/** The view of commissions; of a room also its plan. Returns `{close}`. */
export function openCommissions(place, desk, { filters }) {
  const [bar, plan, body] = [make('div'), make('div'), make('div')];
  place.replaceChildren(pageHead(t('merchant.nav.commissions'), { lead: t('merchant.commission.lead') }), bar, plan, body);
  const states = COMMISSION_STATES.map((each) => [each, t(`merchant.commission.state.${each}`)]);
  mountFilters(bar, desk, (rooms) => [
    roomField(rooms, filters.room),
    textField({ name: 'user', label: t('merchant.commission.earner'), value: filters.user ?? '', maxlength: 255, enterkeyhint: 'search' }),
    selectField({ name: 'state', label: t('merchant.state'), value: filters.state ?? '', options: withAll(states) }),
  ], (chosen) => desk.go('commissions', '', chosen));
  const planView = filters.room ? openPlanCard(plan, desk, filters.room) : sayChoose(plan);
  const list = mountList(body, {
    label: t('merchant.nav.commissions'),
    page: (after) => desk.api.page('/api/v1/commissions', 'commissions', filters, after),
    empty: () => emptyList('coins', 'commissions', filters, () => emptyCard('coins', t('merchant.commission.none'), t('merchant.commission.none.text'))),
    columns: commissionColumns(),
  });
  return {
    close() {
      planView.close();
      list.close();
    },
  };
}

function sayChoose(place) {
  place.replaceChildren(make('p', { class: 'hint soft', text: t('merchant.commission.choose') }));
  return { close() {} };
}

/** The columns of a list of commissions, also of one person's. */
export const commissionColumns = () => [
  { name: t('merchant.order.title'), cell: (row) => make('div', { class: 'two-lines' }, deskLink(row.order, 'orders', row.order), make('small', { class: 'soft', text: t('merchant.sale.in', { room: row.room }) })) },
  { name: t('merchant.commission.earner'), cell: (row) => deskLink(row.user, 'people', row.user) },
  { name: t('merchant.commission.level'), cell: (row) => t(row.level ? 'merchant.commission.level.n' : 'merchant.commission.markup', { n: row.level }) },
  { name: t('merchant.commission.base'), look: 'number', cell: (row) => money(row.base_minor, row.currency) },
  { name: t('merchant.commission.amount'), look: 'number', cell: (row) => money(row.amount_minor, row.currency) },
  { name: t('merchant.commission.release'), look: 'fixed', cell: (row) => instant(row.release_at_ms) },
  { name: t('merchant.state'), cell: (row) => commissionBadge(row.state) },
];

function openPlanCard(place, desk, room) {
  const loaded = mountLoaded(place, {
    load: () => desk.api.get(apiPath('rooms', room, 'commission')),
    draw: (plan) => [planCard(plan, room, () => changePlan(desk, room, plan).then((done) => done && loaded.refresh()))],
    empty: () => make('p'),
  });
  return loaded;
}

const planCard = (plan, room, change) =>
  make(
    'section',
    { class: 'card plan-card' },
    make('div', { class: 'goods-head' }, make('h2', { text: t('merchant.commission.plan', { room }) }), button({ text: t('merchant.commission.change'), class: 'button quiet small', 'data-key': 'plan' }, change)),
    facts([
      [t('merchant.commission.level1'), `${plainPercent(plan.level1_bp)}%`],
      [t('merchant.commission.level2'), plan.level2_bp ? `${plainPercent(plan.level2_bp)}%` : t('merchant.commission.off')],
      [t('merchant.commission.window'), t('merchant.days', { n: units(plan.window_days) })],
    ]),
  );

function changePlan(desk, room, plan) {
  const level1 = percentField({ name: 'level1_bp', label: t('merchant.commission.level1'), help: t('merchant.commission.first.help'), bp: plan.level1_bp, most: LEVEL_PERCENT_MAX });
  const level2 = percentField({ name: 'level2_bp', label: t('merchant.commission.level2'), help: t('merchant.commission.second.help'), bp: plan.level2_bp, most: LEVEL_PERCENT_MAX });
  const days = wholeField({ name: 'window_days', label: t('merchant.commission.window.days'), help: t('merchant.commission.window.help'), value: plan.window_days, least: 0, most: DAYS_MAX });
  return ask({
    title: t('merchant.commission.change'),
    question: () => {
      const [one, two, wait] = [level1.peek(), level2.peek(), days.peek()];
      if (one === null || two === null || wait === null) return t('merchant.commission.unfinished');
      const about = { room, one: plainPercent(one), two: plainPercent(two), days: units(wait) };
      return t(two ? 'merchant.ask.commission.two' : 'merchant.ask.commission', about);
    },
    fields: [level1.root, level2.root, days.root],
    go: () => t('merchant.save'),
    act: () => desk.api.put(apiPath('rooms', room, 'commission'), { level1_bp: level1.read(), level2_bp: level2.read(), window_days: days.read() }),
    done: () => t('merchant.commission.changed', { room }),
  });
}
