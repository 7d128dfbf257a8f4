/** What a host does to a sale, each asked for once more before it is done. */

import { askSheet } from './ask-sheet.js';
import { make } from './dom.js';
import { t } from './i18n.js';
import { newId } from './outbox.js';
import { itemTitle } from './sale-words.js';
import { toast } from './sheet.js';

const COUNTDOWN_SECONDS = [0, 10, 30, 60];
const UNITS_MAX = 1_000_000;

/** What may be done to a sale in each phase, the first one first. */
export const ACTS_IN = {
  draft: ['arm'],
  armed: ['start', 'restock', 'close'],
  countdown: ['start', 'pause', 'restock', 'close'],
  open: ['pause', 'restock', 'close'],
  sold_out: ['restock', 'pause', 'close'],
  paused: ['resume', 'restock', 'close'],
  closed: [],
  frozen: [],
};

/**
 * The acts by name, each taking a sale and resolving true when it was done. `steer(method, data)`
 * resolves with '' or with why not; the same `request_id` takes effect once, so a dialog that got
 * no answer can be pressed again.
 */
export function hostSaleActs({ state, steer, reasonMax }) {
  const told = async (words, asked) => {
    if (await asked) toast(words());
  };
  const once = (sale) => ({ sale: sale.id, request_id: newId() });

  function arm(sale) {
    const fields = sale.items.map((item) => unitsField(item.stock, {
      label: t('desk.arm.units', { title: itemTitle(state, sale, item), n: item.stock }),
      min: 0,
      max: item.stock,
    }));
    const ask = once(sale);
    const units = () => Object.fromEntries(sale.items.map(({ sku }, i) => [sku, fields[i].units()]));
    return told(() => t('desk.arm.done'), askSheet({
      title: t('desk.arm.title'),
      text: t('desk.arm.text'),
      go: t('desk.arm.go'),
      check: () => fields.map((field) => field.wrong()).find(Boolean) ?? '',
      act: () => steer('sale.arm', { ...ask, on_sale: units() }),
    }, ...fields.map(({ element }) => element)));
  }

  function start(sale) {
    const when = choice(t('desk.start.when'), 'when', COUNTDOWN_SECONDS.map((n) => [
      n, n ? t('desk.start.in', { n }) : t('desk.start.now'),
    ]));
    const ask = once(sale);
    const seconds = () => Number(when.value());
    return told(() => t(seconds() ? 'desk.start.done.in' : 'desk.start.done'), askSheet({
      title: t('desk.start.title'),
      text: t('desk.start.text'),
      go: () => (seconds() ? t('desk.start.go.in', { n: seconds() }) : t('desk.start.go')),
      act: () => steer('sale.open', { ...ask, countdown_seconds: seconds() }),
    }, when.element));
  }

  /** Pause, resume and close differ in their words, and in what else they take. */
  function withReason(name, sale, { danger = false, field = null, more = () => ({}) } = {}) {
    const reason = make('input', { class: 'field', type: 'text', maxlength: reasonMax, dir: 'auto' });
    const label = make('label', { class: 'stack' }, make('span', { class: 'legend', text: t('desk.reason') }), reason);
    const ask = once(sale);
    return told(() => t(`desk.${name}.done`), askSheet({
      title: t(`desk.${name}.title`),
      text: t(`desk.${name}.text`),
      go: t(`desk.${name}.go`),
      danger,
      act: () => steer(`sale.${name}`, { ...ask, reason: reason.value.trim(), ...more() }),
    }, ...(field ? [field] : []), ...(name === 'resume' ? [] : [label])));
  }

  function close(sale) {
    const box = make('input', { type: 'checkbox' });
    const field = make('label', { class: 'check' }, box, make('span', { text: t('desk.close.holds') }));
    return withReason('close', sale, {
      danger: true,
      field,
      more: () => ({ cancel_holds: box.checked }),
    });
  }

  function restock(sale) {
    const which = choice(t('desk.item'), 'sku', sale.items.map((item) => [item.sku, itemTitle(state, sale, item)]));
    const field = unitsField(10, { label: t('desk.restock.units'), min: 1, max: UNITS_MAX });
    let ask = once(sale);
    // Another wish is another request; only the same one may be asked again under its id.
    const fresh = () => (ask = once(sale));
    for (const { element } of [which, field]) element.addEventListener('input', fresh);
    return told(() => t('desk.restock.done', { n: field.units() }), askSheet({
      title: t('desk.restock.title'),
      text: t('desk.restock.text'),
      go: () => t('desk.restock.go', { n: field.wrong() ? '' : field.units() }),
      check: () => field.wrong(),
      act: () => steer('sale.restock', { ...ask, sku: which.value(), units: field.units() }),
    }, ...(sale.items.length > 1 ? [which.element] : []), field.element));
  }

  return {
    arm,
    start,
    close,
    restock,
    pause: (sale) => withReason('pause', sale),
    resume: (sale) => withReason('resume', sale),
  };
}

/** A whole number of units: `units()` and `wrong()`, which says what is the matter or ''. */
function unitsField(value, { label, min, max }) {
  const input = make('input', { class: 'field tabular', type: 'text', inputmode: 'numeric', value });
  const units = () => Number(input.value.trim());
  const isRight = () => /^\d{1,9}$/.test(input.value.trim()) && units() >= min && units() <= max;
  return {
    element: make('label', { class: 'stack' }, make('span', { class: 'legend', text: label, dir: 'auto' }), input),
    units,
    wrong: () => (isRight() ? '' : t('desk.wrong', { min, max })),
  };
}

/** One of several, as pills; the first is chosen. */
function choice(legend, name, options) {
  const inputs = options.map(([value], index) => make('input', { type: 'radio', name, value, checked: index === 0 }));
  const labels = options.map(([, words], index) =>
    make('label', { class: 'segment' }, inputs[index], make('span', { text: words, dir: 'auto' })));
  return {
    element: make(
      'fieldset',
      { class: 'control' },
      make('legend', { text: legend }),
      make('div', { class: 'segments wrap' }, ...labels),
    ),
    value: () => inputs.find((input) => input.checked).value,
  };
}
