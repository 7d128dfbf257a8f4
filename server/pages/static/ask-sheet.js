/** A dialog that asks before something is done that the whole room will notice. */

import { make, show, write } from './dom.js';
import { t } from './i18n.js';
import { makeSheet } from './sheet.js';

/**
 * Ask; resolves true when it was confirmed and done. `go` is the word on the button, or a function
 * that gives it anew as `fields` change. `check()` says what is wrong with the fields, or ''.
 * `act()` does it and says why not, or '': then the dialog stays, to press again or to give up.
 */
export function askSheet({ title, text, go, danger = false, check = () => '', act = async () => '' }, ...fields) {
  return new Promise((resolve) => {
    const yes = make('button', { type: 'submit', class: `button${danger ? ' danger' : ''}` }, make('span'));
    const no = make('button', { type: 'button', class: 'button quiet', text: t('action.cancel') });
    const wrong = make('p', { class: 'field-error', role: 'alert', hidden: true });
    const form = make(
      'form',
      { class: 'ask', autocomplete: 'off', novalidate: true },
      make('p', { text }), ...fields, wrong, make('div', { class: 'actions' }, no, yes),
    );
    const dialog = makeSheet({ title, look: 'small' }, form);
    const name = () => write(yes.firstElementChild, typeof go === 'function' ? go() : go);
    const complain = (words) => {
      write(wrong, words);
      show(wrong, words !== '');
      return words !== '';
    };
    form.addEventListener('input', () => {
      complain('');
      name();
    });
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (yes.disabled || complain(check())) return;
      yes.disabled = true;
      const why = await act();
      yes.disabled = false;
      if (complain(why)) return;
      resolve(true);
      dialog.close();
    });
    no.addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => resolve(false));
    name();
  });
}
