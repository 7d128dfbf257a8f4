/** Fields of the desk's forms: a name that refusals find, a label, a hint, a place for problems. */

import { make } from './dom.js';
import { FieldProblem } from './merchant-ask.js';
import { t } from './i18n.js';
import { fromLocalInput, parseMoney, parseWhole, plainMoney, toLocalInput, zoneName } from './merchant-numbers.js';

let made = 0;

/** A row of a form around any control. `name` is the field's name in the API. */
export function row(name, label, control, help = '') {
  made += 1;
  control.id ||= `field-${made}`;
  const problem = make('p', { class: 'field-problem', id: `${control.id}-problem`, role: 'alert', hidden: true });
  const hint = help ? make('p', { class: 'help', id: `${control.id}-help`, text: help }) : null;
  control.setAttribute('aria-describedby', [problem.id, hint?.id].filter(Boolean).join(' '));
  return make('div', { class: 'form-row', data: { field: name } }, make('label', { for: control.id, text: label }), control, hint, problem);
}

/** A problem at a row, under the name it has now: rows of a list are numbered anew. */
const problemAt = (root, words) => new FieldProblem(root.dataset.field, words);

/** A line of text. `read()` gives it trimmed; a required one that is empty throws. */
export function textField({ name, label, help, value = '', required = false, ...attributes }) {
  const input = make('input', { class: 'field', type: 'text', name, value, autocapitalize: 'off', dir: 'auto', ...attributes });
  const root = row(name, label, input, help);
  return {
    root,
    input,
    read() {
      const text = input.value.trim();
      if (required && !text) throw problemAt(root, t('merchant.field.missing', { label }));
      return text;
    },
  };
}

/** A choice from a list: `options` are `[value, words]`. */
export function selectField({ name, label, help, value = '', options, ...attributes }) {
  const select = make('select', { class: 'field', name, ...attributes }, ...options.map(([each, words]) => make('option', { value: each, text: words, selected: each === value })));
  return { root: row(name, label, select, help), input: select, read: () => select.value };
}

/** A whole number within bounds; `peek()` gives it or null, `read()` throws when it is none. */
export function wholeField({ name, label, help, value = '', least = 0, most, ...attributes }) {
  const input = make('input', { class: 'field tabular', type: 'text', inputmode: 'numeric', name, value, ...attributes });
  const root = row(name, label, input, help);
  const peek = () => parseWhole(input.value, least, most);
  return {
    root,
    input,
    peek,
    read() {
      const number = peek();
      if (number === null) throw problemAt(root, most === undefined ? t('merchant.field.whole', { least }) : t('merchant.field.between', { least, most }));
      return number;
    },
  };
}

/** An amount of money, typed in whole units with decimals; read in minor units. */
export function moneyField({ name, label, help, minor = null, currency, ...attributes }) {
  const value = minor === null ? '' : plainMoney(minor, currency());
  const input = make('input', { class: 'field tabular', type: 'text', inputmode: 'decimal', name, value, ...attributes });
  const root = row(name, label, input, help);
  const peek = () => parseMoney(input.value, currency());
  return {
    root,
    input,
    peek,
    read() {
      const amount = peek();
      if (amount === null) throw problemAt(root, t('merchant.field.money', { example: plainMoney(1234, currency()) }));
      return amount;
    },
  };
}

/** Whose clock the times of a form go by. */
export const zoneNote = () => make('p', { class: 'help', text: t('merchant.field.zone', { zone: zoneName() }) });

/** A day and time where the reader is; '' is none: null. */
export function instantField({ name, label, help, atMs = null }) {
  const input = make('input', { class: 'field tabular', type: 'datetime-local', name, value: toLocalInput(atMs) });
  const root = row(name, label, input, help);
  return {
    root,
    input,
    read() {
      if (!input.value && !input.validity.badInput) return null;
      const at = fromLocalInput(input.value);
      if (at === null) throw problemAt(root, t('merchant.field.instant'));
      return at;
    },
  };
}

/** One of a few, as buttons that exclude each other: `options` are `[value, words]`. */
export function choiceField({ name, label, value, options }) {
  made += 1;
  const group = `choice-${made}`;
  const segments = options.map(([each, words]) =>
    make(
      'label',
      { class: 'segment' },
      make('input', { type: 'radio', name: group, value: each, checked: each === value }),
      make('span', { text: words }),
    ),
  );
  const problem = make('p', { class: 'field-problem', role: 'alert', hidden: true });
  const root = make('fieldset', { class: 'form-row', data: { field: name } }, make('legend', { text: label }), make('div', { class: 'segments' }, ...segments), problem);
  return { root, read: () => root.querySelector('input:checked')?.value ?? '' };
}
