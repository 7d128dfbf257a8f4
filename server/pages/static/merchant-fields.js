/** Fields of the desk's forms: a name that refusals find, a label, a hint, a place for problems. */

import { make } from './dom.js';
import { FieldProblem } from './merchant-ask.js';
import { t } from './i18n.js';
import { fromLocalInput, parseMoney, parsePercent, parseWhole, plainMoney, plainPercent, toLocalInput, zoneName } from './merchant-numbers.js';
import { recall, remember } from './storage.js';

const CURRENCY_KEPT = 'live.desk.currency';
const CURRENCIES = ['CNY', 'USD', 'EUR', 'HKD', 'TWD', 'JPY', 'SGD', 'GBP'];

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
    write: (amount) => {
      input.value = plainMoney(amount, currency());
    },
    read() {
      const amount = peek();
      if (amount === null) throw problemAt(root, t('merchant.field.money', { example: plainMoney(1234, currency()) }));
      return amount;
    },
  };
}

/** A currency, at first the one that was used last; `peek()` gives it, or CNY while it is none. */
export function currencyField({ value = recall(CURRENCY_KEPT) ?? 'CNY', ...attributes } = {}) {
  const field = textField({ name: 'currency', label: t('merchant.product.currency'), value, required: true, maxlength: 3, list: 'currencies', spellcheck: 'false', ...attributes });
  field.root.append(make('datalist', { id: 'currencies' }, ...CURRENCIES.map((each) => make('option', { value: each }))));
  return {
    ...field,
    peek: () => (/^[A-Za-z]{3}$/.test(field.input.value.trim()) ? field.input.value.trim().toUpperCase() : 'CNY'),
    read() {
      const currency = field.read().toUpperCase();
      remember(CURRENCY_KEPT, currency);
      return currency;
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

/** A part of a whole in percent, with up to two digits behind the point; read in basis points. */
export function percentField({ name, label, help, bp = null, most = 100, ...attributes }) {
  const input = make('input', { class: 'field tabular', type: 'text', inputmode: 'decimal', name, value: bp === null ? '' : plainPercent(bp), ...attributes });
  const root = row(name, label, input, help);
  const peek = () => parsePercent(input.value, most);
  return {
    root,
    input,
    peek,
    read() {
      const part = peek();
      if (part === null) throw problemAt(root, t('merchant.field.percent', { most }));
      return part;
    },
  };
}

/** Any of a list, as boxes to check: `options` are `[value, words]`; `read()` gives the values. */
export function checksField({ name, label, options }) {
  const boxes = options.map(([value, words]) => make('label', { class: 'check' }, make('input', { type: 'checkbox', value }), make('span', { text: words, dir: 'auto' })));
  const problem = make('p', { class: 'field-problem', role: 'alert', hidden: true });
  const root = make('fieldset', { class: 'form-row', data: { field: name } }, make('legend', { text: label }), make('div', { class: 'checks' }, ...boxes), problem);
  return { root, read: () => [...root.querySelectorAll('input:checked')].map(({ value }) => value) };
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
