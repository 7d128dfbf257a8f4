/** Asking a guest for a name, once, before the first comment. */

import { byId, show } from './dom.js';
import { t } from './i18n.js';
import { refusalWords } from './refusals.js';
import { becomeGuest } from './session.js';
import { openSheet, toast } from './sheet.js';
import { recall, remember } from './storage.js';

const LAST_NAME = 'live.name';

/** `mayAsk`: guests may speak here. `onGuest({token, user, name})` before anybody else hears. */
export class NameDialog {
  #then = null;
  #dialog = byId('name-sheet');

  constructor({ mayAsk, onGuest }) {
    this.mayAsk = mayAsk;
    this.onGuest = onGuest;
    byId('name-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** Ask; `then(guest)` once there is a name and a token for it. */
  ask(then) {
    if (!this.mayAsk) {
      toast(t('error.signin'), 'bad');
      return;
    }
    this.#then = then;
    show(byId('name-error'), false);
    byId('name-text').value = recall(LAST_NAME) ?? '';
    openSheet(this.#dialog);
    byId('name-text').focus();
  }

  /** A new token for a name that was chosen before. */
  async renew(name) {
    const guest = await this.#take(name);
    return guest.token;
  }

  async #take(name) {
    const guest = { ...(await becomeGuest(name)), name };
    remember(LAST_NAME, name);
    this.onGuest(guest);
    return guest;
  }

  async #submit() {
    const name = byId('name-text').value.trim();
    if (!name) return;
    byId('name-send').disabled = true;
    try {
      const guest = await this.#take(name);
      this.#dialog.close();
      this.#then?.(guest);
    } catch (error) {
      byId('name-error').textContent = refusalWords(error);
      show(byId('name-error'), true);
    } finally {
      byId('name-send').disabled = false;
    }
  }
}
