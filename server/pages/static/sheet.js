/** Dialogs: a sheet from below on a phone, a card in the middle of a desk. Native <dialog>. */

import { button, make } from './dom.js';
import { t } from './i18n.js';

/** Open a dialog of the template; a press beside it or Escape closes it. */
export function openSheet(dialog) {
  if (dialog.open) return;
  if (!dialog.dataset.wired) {
    dialog.dataset.wired = 'yes';
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog) dialog.close();
    });
    for (const closer of dialog.querySelectorAll('[data-close]')) {
      closer.addEventListener('click', () => dialog.close());
    }
  }
  dialog.showModal();
}

/** A dialog made on the spot and gone when closed. Returns it, already open. */
export function makeSheet({ title, look = '' }, ...children) {
  const dialog = make(
    'dialog',
    { class: `sheet ${look}`, 'aria-label': title },
    make(
      'div',
      { class: 'sheet-head' },
      make('h2', { text: title }),
      button({ icon: 'close', label: t('action.close'), class: 'icon-button', 'data-close': true }, () => {}),
    ),
    make('div', { class: 'sheet-body' }, ...children),
  );
  dialog.addEventListener('close', () => {
    if (dialog.contains(place)) document.body.append(place);
    dialog.remove();
  });
  document.body.append(dialog);
  openSheet(dialog);
  return dialog;
}

const place = document.getElementById('toast');
let toastTimer;

/** A short remark above everything; `tone` is `info` or `bad`. Read out politely. */
export function toast(text, tone = 'info') {
  // A modal dialog hides all else from view: speak inside it then.
  (document.querySelector('dialog[open]') ?? document.body).append(place);
  place.textContent = text;
  place.dataset.tone = tone;
  place.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    place.hidden = true;
  }, 4500);
}
