/** Rehearsals: what was rehearsed so far and how it ended, and the way to a new one. */

import { icon, make } from './dom.js';
import { language, t } from './i18n.js';
import { emptyCard, mountList } from './merchant-load.js';
import { badge, instant, pageHead, units } from './merchant-parts.js';
import { hashOf } from './merchant-rules.js';

/** The view of the history. Returns `{close}`. */
export function openRehearsals(place, desk) {
  const body = make('div');
  const create = () => make('a', { class: 'button', href: hashOf('rehearse'), 'data-key': 'new' }, icon('plus'), make('span', { text: t('merchant.rehearsal.new') }));
  place.replaceChildren(pageHead(t('merchant.nav.rehearsals'), { lead: t('merchant.rehearsal.lead'), tools: [create()] }), body);
  return mountList(body, {
    label: t('merchant.nav.rehearsals'),
    page: (after) => desk.api.page('/api/v1/rehearsals', 'rehearsals', {}, after),
    empty: () => emptyCard('gauge', t('merchant.rehearsal.none'), t('merchant.rehearsal.none.text'), create()),
    columns: [
      { name: t('merchant.rehearsal.title'), cell: (run) => make('a', { class: 'link', href: hashOf('rehearsals', run.id), 'data-key': run.id, text: run.title, dir: 'auto' }) },
      { name: t('merchant.rehearsal.verdict'), cell: runBadge },
      { name: t('merchant.rehearsal.viewers'), look: 'number', cell: (run) => units(run.plan.promise?.viewers ?? VIEWERS_USUAL) },
      { name: t('merchant.rehearsal.units'), look: 'number', cell: (run) => units(stockOf(run.plan)) },
      { name: t('merchant.rehearsal.began'), cell: (run) => instant(run.created_at_ms) },
    ],
  });
}

/** What a plan promises that says nothing of viewers. */
export const VIEWERS_USUAL = 1000;

/** All units of a plan's goods. */
export const stockOf = (plan) => (plan.items ?? []).reduce((sum, { stock }) => sum + stock, 0);

/** How it ended, or how it stands. */
export const runBadge = (run) =>
  run.verdict ? badge(`verdict-${run.verdict}`, t(`merchant.verdict.${run.verdict}`)) : badge(`run-${run.state}`, t(`merchant.run.${run.state}`));

/** The verdict in one sentence, or ''. */
export const sentenceOf = (run) => run.sentence?.texts?.[language] ?? '';
