/** Questions before money or stock moves, and forms: one dialog, refused words shown inside it. */

import { button, make, show } from './dom.js';
import { t } from './i18n.js';
import { failureWords } from './merchant-api.js';
import { fieldAndWhy } from './merchant-rules.js';
import { newId } from './outbox.js';
import { makeSheet, toast } from './sheet.js';

/**
 * Ask once. `question()` gives the sentence with its numbers, `go()` the word of the button, both
 * anew whenever a field changes; either gives null while the fields make no sense. `act(id)` does
 * it; `id` stays the same until the dialog closes, so pressing again after a lost answer does it
 * once. Resolves with what `act` resolved with, or undefined when nothing was done.
 */
export function ask({ title, question, fields = [], go, danger = false, act, done, look = 'small' }) {
  const requestId = newId();
  return openForm({
    title,
    look,
    fields: [make('p', { class: 'question', role: 'status' }), ...fields],
    onChange: (parts) => {
      const sentence = question();
      parts.form.querySelector('.question').textContent = sentence ?? '';
      parts.go.disabled = sentence === null;
      parts.goWords.textContent = go() ?? '';
    },
    danger,
    act: () => act(requestId),
    done,
    guarded: false,
  });
}

/**
 * A form in a dialog. `fields` are elements (see merchant-fields.js); `act()` sends it and may
 * throw `FieldProblem` or `HttpError`: the words appear, at the field if there is one, and the form
 * stays. `done(result)` gives the words of a toast. Resolves as `ask` does.
 */
export function openForm({ title, look = '', done, guarded = true, ...form }) {
  return new Promise((resolve) => {
    let result;
    const parts = wireForm({
      ...form,
      cancel: () => dialog.close(),
      onDone: (answer) => {
        result = answer;
        dialog.close();
        if (done) toast(done(answer));
      },
      onLate: (error) => toast(wordsOf(error), 'bad'),
    });
    const dialog = makeSheet({ title, look }, parts.form);
    // A press beside the dialog must not throw away what was typed, nor hide an answer on its way.
    const isKept = () => parts.busy || (guarded && parts.touched);
    dialog.addEventListener(
      'click',
      (event) => {
        const isRefused = event.target === dialog ? isKept() : parts.busy && event.target.closest('[data-close]');
        if (isRefused) event.stopImmediatePropagation();
      },
      true,
    );
    dialog.addEventListener('cancel', (event) => parts.busy && event.preventDefault());
    dialog.addEventListener('close', () => resolve(result));
    focusFirst(parts.form, dialog);
  });
}

/**
 * A form anywhere: `onChange(parts)` now and after every change, `onDone(result)` after `act`,
 * `onLate(error)` when it failed and the form is gone, `cancel()` for its other button.
 */
export function wireForm({ fields, goWords = '', danger = false, act, onChange, onDone, onLate, cancel }) {
  const parts = buildParts(fields, goWords, danger);
  parts.cancel.addEventListener('click', () => parts.busy || cancel());
  parts.form.addEventListener('input', (event) => {
    parts.touched = true;
    clearProblems(event.target.closest('.form-row') ?? parts.form);
    show(parts.problem, false);
    onChange?.(parts);
  });
  parts.form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (parts.busy || parts.go.disabled) return;
    parts.busy = true;
    parts.go.disabled = true;
    clearProblems(parts.form);
    try {
      onDone(await act());
    } catch (error) {
      if (parts.form.isConnected) sayProblem(parts, error);
      else onLate?.(error);
      if (isUnsure(error)) keepAsSent(parts);
    } finally {
      parts.busy = false;
      parts.go.disabled = false;
    }
  });
  onChange?.(parts);
  return parts;
}

/** What is wrong with one field of a form, found before anything was sent. */
export class FieldProblem extends Error {
  constructor(field, words) {
    super(words);
    this.field = field;
  }
}

function buildParts(fields, words, danger) {
  const goWords = make('span', { text: words });
  const parts = {
    busy: false,
    touched: false,
    goWords,
    go: make('button', { type: 'submit', class: `button${danger ? ' danger' : ''}` }, goWords),
    cancel: button({ text: t('action.cancel'), class: 'button quiet' }, () => {}),
    problem: make('p', { class: 'field-error', role: 'alert', hidden: true }),
  };
  const acts = make('div', { class: 'actions' }, parts.cancel, parts.go);
  parts.form = make('form', { class: 'form', novalidate: true, autocomplete: 'off' }, ...fields, parts.problem, acts);
  return parts;
}

/** It may have been done: the answer was lost, or the server did not know. */
const isUnsure = ({ status }) => status === 0 || status >= 500;

/** What was sent may only be sent again as it is, under its id; to change it, one starts anew. */
function keepAsSent(parts) {
  for (const control of parts.form.querySelectorAll('input, select, textarea')) control.disabled = true;
}

function wordsOf(error) {
  if (error instanceof FieldProblem) return error.message;
  return isUnsure(error) ? `${failureWords(error)} ${t('merchant.fail.unsure')}` : failureWords(error);
}

/** Why a form was refused: said at its field when that is named and here, else at the end. */
export function sayProblem(parts, error) {
  if (!(error instanceof FieldProblem) && typeof error.status !== 'number') console.error(error);
  const field = error instanceof FieldProblem ? error.field : fieldAndWhy(error.message ?? '').field;
  const row = field ? parts.form.querySelector(`[data-field="${CSS.escape(field)}"]`) : null;
  const place = row?.querySelector('.field-problem');
  if (!place) {
    parts.problem.textContent = wordsOf(error);
    show(parts.problem, true);
    parts.problem.scrollIntoView({ block: 'nearest' });
    return;
  }
  row.closest('details')?.setAttribute('open', '');
  place.textContent = wordsOf(error);
  show(place, true);
  const control = row.querySelector('input, select, textarea');
  control?.setAttribute('aria-invalid', 'true');
  control?.focus();
}

function clearProblems(place) {
  for (const problem of place.querySelectorAll('.field-problem, .field-error')) show(problem, false);
  for (const control of place.querySelectorAll('[aria-invalid]')) control.removeAttribute('aria-invalid');
}

function focusFirst(form, dialog) {
  (form.querySelector('input:not([type=radio]), select, textarea') ?? dialog.querySelector('.actions .button')).focus();
}
