/** One rehearsal: watched while it runs, then its verdict, its report, and who did what to it. */

import { button, icon, make } from './dom.js';
import { t } from './i18n.js';
import { apiPath, failureWords } from './merchant-api.js';
import { ask } from './merchant-ask.js';
import { saveButton } from './merchant-files.js';
import { mountLoaded } from './merchant-load.js';
import { code, facts, instant, outLink, pageHead, shareBar, units } from './merchant-parts.js';
import { hashOf } from './merchant-rules.js';
import { runBadge, sentenceOf, stockOf, VIEWERS_USUAL } from './merchant-rehearsals.js';
import { sitePath } from './site.js';
import { toast } from './sheet.js';

const AGAIN_MS = 1000;
const PHASES = ['prepare', 'arrive', 'warm', 'spike', 'settle', 'referee', 'find', 'collect', 'done'];
const ACTS = new Set(['open', 'stop', 'drill', 'report', 'fail', 'purge']);
const goesOn = (run) => run.state === 'open' || run.state === 'running';
/** It has reported, and its generator now takes the shadow shop down. */
const cleansUp = (run) => run.driven && run.state === 'done' && run.purged_at_ms === null;

/** The view of one rehearsal. Returns `{close}`. */
export function openRehearsal(place, desk, { id }) {
  const loaded = mountLoaded(place, {
    load: () => desk.api.get(apiPath('rehearsals', id)),
    draw: (run) => drawRun(run, desk, () => loaded.refresh()),
    empty: () => make('p'),
    again: (run) => (goesOn(run) || cleansUp(run) ? AGAIN_MS : 0),
  });
  return loaded;
}

function drawRun(run, desk, changed) {
  return [
    pageHead(run.title, { back: { href: hashOf('rehearsals'), words: t('merchant.nav.rehearsals') }, beside: runBadge(run), tools: tools(run, desk, changed) }),
    verdictCard(run),
    goesOn(run) ? liveCard(run) : null,
    make('h2', { class: 'section', text: t('merchant.rehearsal.promised') }),
    make('section', { class: 'card' }, planFacts(run.plan)),
    make('h2', { class: 'section', text: t('merchant.rehearsal.acts') }),
    make('section', { class: 'card' }, actList(run.acts)),
  ].filter(Boolean);
}

function tools(run, desk, changed) {
  const made = [];
  if (run.reports.includes('html')) made.push(button({ icon: 'eye', text: t('merchant.rehearsal.report'), class: 'button', 'data-key': 'report' }, () => openReport(run, desk)));
  if (run.reports.includes('json')) made.push(saveButton(t('merchant.rehearsal.json'), (name) => desk.api.save(apiPath('rehearsals', run.id, 'report'), {}, name), `${run.id}.json`));
  if (goesOn(run)) made.push(button({ text: t('merchant.rehearsal.stop'), class: 'button quiet', 'data-key': 'stop' }, () => stop(run, desk).then((done) => done && changed())));
  else if (run.purged_at_ms === null) made.push(button({ text: t('merchant.rehearsal.purge'), class: 'button quiet', 'data-key': 'purge' }, () => purge(run, desk).then((done) => done && changed())));
  return made;
}

function verdictCard(run) {
  if (run.verdict) {
    const words = sentenceOf(run);
    const parts = words ? [make('strong', { text: words })] : [make('strong', { text: t(`merchant.verdict.${run.verdict}`) }), make('p', { text: t(`merchant.verdict.${run.verdict}.text`) })];
    return make('section', { class: 'card run-verdict', data: { verdict: run.verdict } }, ...parts);
  }
  if (run.state === 'failed') return banner('bad', 'warn', t('merchant.rehearsal.failed', { why: run.why || '–' }));
  if (run.state === 'stopped') return banner('', 'clock', t('merchant.rehearsal.stopped'));
  return null;
}

const banner = (look, name, words) => make('div', { class: `banner ${look}`, role: look ? 'alert' : 'status' }, icon(name), make('p', { text: words, dir: 'auto' }));

/** What the generator told last; nothing yet is said as such. */
function liveCard(run) {
  const now = run.progress;
  if (!now) return banner('', 'clock', t(run.driven ? 'merchant.rehearsal.starting' : 'merchant.rehearsal.waiting'));
  const wanted = Math.max(1, now.wanted ?? run.plan.promise?.viewers ?? VIEWERS_USUAL);
  const [sold, stock] = [now.sold ?? 0, Math.max(1, now.stock ?? 0)];
  const to = now.to_t0_s === null || now.to_t0_s === undefined ? '' : t(now.to_t0_s > 0 ? 'merchant.rehearsal.before' : 'merchant.rehearsal.after', { s: units(Math.abs(Math.round(now.to_t0_s))) });
  return make(
    'section',
    { class: 'card live-run' },
    make('div', { class: 'run-phase' }, make('strong', { text: phaseWords(now.phase) }), make('span', { class: 'soft tabular', text: to })),
    now.unreachable ? banner('bad', 'warn', t('merchant.rehearsal.unreachable')) : null,
    shareBar([['sold', Math.min(now.viewers, wanted), t('merchant.rehearsal.here', { all: units(wanted) })], ['available', Math.max(0, wanted - now.viewers), t('merchant.rehearsal.expected')]], wanted),
    shareBar([['sold', sold, t('merchant.rehearsal.gone')], ['available', Math.max(0, stock - sold), t('merchant.rehearsal.left')]], stock),
    facts([
      [t('merchant.rehearsal.orders'), make('b', { class: 'tabular', text: units(Math.round(now.orders_per_s)) })],
      [t('merchant.rehearsal.lag'), make('b', { class: 'tabular', text: t('merchant.rehearsal.ms', { n: units(Math.round(now.lag_ms)) }) })],
      [t('merchant.nav.books'), t(`merchant.rehearsal.books.${booksWord(now.books)}`)],
      [t('merchant.rehearsal.room'), outLink(t('merchant.rehearsal.look'), `${run.base}/r/${run.id}`)],
    ]),
  );
}

/** Whether the shadow store's own counters add up; unknown until there are some. */
function booksWord(books) {
  const items = books?.items ?? [];
  if (!items.length) return 'unknown';
  return items.every((item) => item.initial === item.available + item.reserved + item.sold) ? 'balanced' : 'differ';
}

const phaseWords = (phase) => (PHASES.includes(phase) ? t(`merchant.phase.${phase}`) : phase);

function planFacts(plan) {
  const promise = plan.promise ?? {};
  return facts([
    [t('merchant.rehearsal.viewers'), units(promise.viewers ?? VIEWERS_USUAL)],
    [t('merchant.rehearsal.units'), units(stockOf(plan))],
    [t('merchant.rehearsal.perunit'), String(promise.buyers_per_unit ?? 3)],
    plan.targets?.order_p99_ms ? [t('merchant.rehearsal.order_p99_ms'), t('merchant.rehearsal.ms', { n: units(plan.targets.order_p99_ms) })] : null,
    plan.drills?.length ? [t('merchant.rehearsal.drills'), plan.drills.map(({ kind }) => t(`merchant.drill.${kind}`)).join(t('merchant.comma'))] : null,
    [t('merchant.rehearsal.seed'), code(String(plan.seed ?? 1))],
  ]);
}

const actList = (acts) =>
  make('ul', { class: 'act-list' }, ...acts.map((act) =>
    make('li', {}, instant(act.at_ms), make('span', { text: ACTS.has(act.kind) ? t(`merchant.runact.${act.kind}`) : act.kind }), make('bdi', { class: 'soft', text: act.actor }))));

/** A tab of its own sends no token: the server signs a link that is good for an hour. */
async function openReport(run, desk) {
  const tab = window.open('', '_blank');
  try {
    const { url } = await desk.api.post(apiPath('rehearsals', run.id, 'report-link'), {});
    if (!tab) throw new Error(t('merchant.rehearsal.blocked'));
    tab.opener = null;
    tab.location.replace(sitePath(url));
  } catch (error) {
    tab?.close();
    toast(error.status === undefined ? error.message : failureWords(error), 'bad');
  }
}

const stop = (run, desk) =>
  ask({
    title: t('merchant.rehearsal.stop'),
    question: () => t('merchant.ask.rehearsal.stop', { title: run.title }),
    go: () => t('merchant.rehearsal.stop'),
    danger: true,
    act: () => desk.api.post(apiPath('rehearsals', run.id, 'stop'), {}),
    done: () => t('merchant.rehearsal.stopping'),
  });

const purge = (run, desk) =>
  ask({
    title: t('merchant.rehearsal.purge'),
    question: () => t('merchant.ask.rehearsal.purge', { title: run.title }),
    go: () => t('merchant.rehearsal.purge'),
    danger: true,
    act: () => desk.api.slowly('DELETE', apiPath('rehearsals', run.id, 'data')),
    done: () => t('merchant.rehearsal.purged'),
  });
