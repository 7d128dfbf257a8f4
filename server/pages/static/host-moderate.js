/** Moderating a comment or its author: one dialog, a reason always, and never by one press. */

import { button, make, show } from './dom.js';
import { t } from './i18n.js';
import { REASON_KEYS } from './refusals.js';
import { roleBadge } from './comment-row.js';
import { makeSheet } from './sheet.js';

/** Seconds that a mute may last. */
export const MUTE_SECONDS = [600, 3600, 86_400];

/**
 * Open the dialog. Resolves when it closes; before, calls `act({kind, reason, seconds})` with
 * kind `remove`, `mute` or `ban` and waits for it. If it throws, the words of `explain(error)`
 * are shown and the dialog stays.
 */
export function openModeration(comment, { act, explain, reasonMax }) {
  const choice = { kind: 'remove', reason: '', seconds: MUTE_SECONDS[0] };
  const parts = buildParts(choice, reasonMax);
  const dialog = makeSheet(
    { title: t('moderate.title'), look: 'moderate' },
    make(
      'blockquote',
      { class: 'quoted' },
      make('p', { class: 'who' }, roleBadge(comment.role), make('bdi', { text: comment.name })),
      make('p', { text: comment.text, dir: 'auto' }),
    ),
    parts.kinds,
    parts.effect,
    parts.times,
    parts.reasons,
    parts.more,
    parts.problem,
    parts.actions,
  );
  const redraw = () => drawParts(parts, choice, comment);
  parts.onChange = redraw;
  redraw();
  parts.cancel.addEventListener('click', () => dialog.close());
  parts.go.addEventListener('click', async () => {
    const reason = reasonText(choice.reason, parts.words.value);
    if (!reason) {
      problem(parts, t('moderate.reason.missing'));
      return;
    }
    if (choice.kind === 'ban' && !parts.go.dataset.armed) {
      parts.go.dataset.armed = 'yes';
      parts.go.textContent = t('moderate.ban.sure', { name: comment.name });
      return;
    }
    parts.go.disabled = true;
    try {
      await act({ ...choice, reason });
      dialog.close();
    } catch (error) {
      problem(parts, explain(error));
    } finally {
      parts.go.disabled = false;
    }
  });
}

/** What travels: the reason's word, and what was written beside it. */
export function reasonText(reason, words) {
  const more = words.trim();
  if (!reason) return more;
  return more ? `${reason}: ${more}` : reason;
}

function buildParts(choice, reasonMax) {
  const parts = { onChange: () => {} };
  const pick = (field) => (value) => {
    choice[field] = value;
    parts.onChange();
  };
  const kinds = ['remove', 'mute', 'ban'].map((kind) => [kind, t(`moderate.${kind}`)]);
  const times = MUTE_SECONDS.map((seconds) => [seconds, t(`mute.${seconds}`)]);
  const reasons = REASON_KEYS.map((key) => [key, t(`reason.${key}`)]);
  parts.kinds = segments(t('moderate.what'), kinds, choice.kind, pick('kind'));
  parts.times = segments(t('moderate.howlong'), times, choice.seconds, pick('seconds'));
  parts.reasons = segments(t('moderate.why'), reasons, null, pick('reason'), 'wrap');
  parts.words = make('input', { class: 'field', maxlength: Math.max(20, reasonMax - 20), placeholder: t('moderate.more'), 'aria-label': t('moderate.more'), dir: 'auto' });
  parts.more = make('div', { class: 'control' }, parts.words);
  parts.effect = make('p', { class: 'soft effect' });
  parts.problem = make('p', { class: 'field-error', role: 'alert', hidden: true });
  parts.cancel = button({ text: t('action.cancel'), class: 'button quiet' }, () => {});
  parts.go = make('button', { type: 'button', class: 'button danger' });
  parts.actions = make('div', { class: 'actions' }, parts.cancel, parts.go);
  return parts;
}

function drawParts(parts, choice, comment) {
  show(parts.times, choice.kind === 'mute');
  show(parts.problem, false);
  delete parts.go.dataset.armed;
  const about = { name: comment.name, time: t(`mute.${choice.seconds}`) };
  parts.effect.textContent = t(`moderate.${choice.kind}.effect`, about);
  parts.go.textContent = t(`moderate.${choice.kind}.go`, about);
}

function problem(parts, words) {
  parts.problem.textContent = words;
  show(parts.problem, true);
}

let groups = 0;

/** A row of choices of which one holds: radio buttons that look like a switch. */
export function segments(title, choices, chosen, onPick, look = '') {
  groups += 1;
  const name = `group-${groups}`;
  const options = choices.map(([value, words]) =>
    make(
      'label',
      { class: 'segment' },
      make('input', {
        type: 'radio',
        name,
        value,
        checked: value === chosen,
        on: { change: () => onPick(value) },
      }),
      make('span', { text: words }),
    ),
  );
  return make(
    'fieldset',
    { class: 'control' },
    make('legend', { text: title }),
    make('div', { class: `segments ${look}` }, ...options),
  );
}
