/** What a ladder may cost, as the server reckons it: tier by tier, in all, and per valid arrival. */

import { button, icon, make } from './dom.js';
import { t } from './i18n.js';
import { sayProblem } from './merchant-ask.js';
import { table } from './merchant-load.js';
import { facts, money, moneyRange, units } from './merchant-parts.js';

/** A simulation as elements; `tiers` are those of the plan, for their names. */
export function costsOf(simulation, tiers, currency) {
  const tierOf = (row) => tiers[row.number - 1] ?? {};
  const minor = (name) => (row) => money(row[name], currency);
  const columns = [
    { name: t('merchant.tier.tier'), cell: (row) => make('span', { dir: 'auto', text: `${row.number} · ${tierOf(row).title ?? ''}` }) },
    { name: t('merchant.tier.needs'), look: 'number', cell: (row) => units(tierOf(row).needs ?? 0) },
    { name: t('merchant.tier.stock'), look: 'number', cell: (row) => units(tierOf(row).stock ?? 0) },
    { name: t('merchant.cost.most'), look: 'number', cell: minor('worst_minor') },
    { name: t('merchant.cost.person'), look: 'number', cell: minor('reached_minor') },
    { name: t('merchant.cost.arrival'), look: 'number', cell: minor('per_arrival_minor') },
  ];
  return [
    table(t('merchant.cost.title'), columns, simulation.tiers),
    make('section', { class: 'card' }, sums(simulation, currency)),
    simulation.problems.length ? problemList(simulation.problems) : null,
  ].filter(Boolean);
}

function sums(simulation, currency) {
  const left = simulation.left_minor;
  const strong = (minor, look = '') => make('b', { class: `tabular ${look}`, text: money(minor, currency) });
  return facts([
    simulation.newcomer_worst_minor ? [t('merchant.newcomer'), strong(simulation.newcomer_worst_minor)] : null,
    [t('merchant.ladder.worst'), strong(simulation.worst_minor)],
    [t(left < 0 ? 'merchant.cost.overby' : 'merchant.cost.left'), strong(Math.abs(left), left < 0 ? 'bad-ink' : '')],
    [t('merchant.cost.arrival'), make('b', { class: 'tabular', text: moneyRange({ from: simulation.per_arrival_min_minor, to: simulation.per_arrival_max_minor }, currency) })],
  ]);
}

/** Why a plan cannot be published, each at the name of its field. */
const problemList = (problems) =>
  make(
    'div',
    { class: 'banner bad', role: 'alert' },
    icon('warn'),
    make('div', {}, make('p', { text: t('merchant.ladder.problems') }), make('ul', { class: 'problems' }, ...problems.map((each) => make('li', { text: problemWords(each) })))),
  );

function problemWords({ field, message }) {
  const [, number, name] = /^tiers\.(\d+)\.(\w+)$/.exec(field) ?? [null, null, field];
  const why = PROBLEMS.has(name) ? t(`merchant.trouble.${name}`, { reason: message }) : message;
  return number === null ? why : `${t('merchant.tier.number', { n: Number(number) + 1 })}: ${why}`;
}

const PROBLEMS = new Set(['needs', 'stock', 'coupon_batch', 'pool_minor', 'points', 'cost_minor', 'budget_minor', 'newcomer_batch', 'newcomer_stock', 'newcomer_cost_minor', 'starts_at_ms', 'ends_at_ms']);

/** A button that has a plan reckoned before it is kept: `call()` asks, `show(elements)` tells. */
export function checkButton(call, show, partsOf) {
  const press = button({ text: t('merchant.cost.check'), class: 'button quiet', 'data-key': 'check' }, async () => {
    press.disabled = true;
    try {
      show(await call());
    } catch (error) {
      sayProblem(partsOf(), error);
    } finally {
      press.disabled = false;
    }
  });
  return press;
}
