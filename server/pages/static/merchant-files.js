/** Saving what the desk shows as files, and copying it. */

import { icon, make } from './dom.js';
import { t } from './i18n.js';
import { failureWords } from './merchant-api.js';
import { toast } from './sheet.js';

/** A button that saves a file: `save(fallbackName)` fetches it. */
export function saveButton(words, save, fallbackName) {
  const press = make('button', { type: 'button', class: 'button quiet', 'data-key': fallbackName }, icon('download'), make('span', { text: words }));
  press.addEventListener('click', async () => {
    press.disabled = true;
    press.setAttribute('aria-busy', 'true');
    try {
      await save(fallbackName);
      toast(t('merchant.saved'));
    } catch (error) {
      toast(failureWords(error), 'bad');
    } finally {
      press.disabled = false;
      press.removeAttribute('aria-busy');
    }
  });
  return press;
}

/** A button that copies a text; where the browser does not let it, the text is left selected. */
export function copyButton(words, field) {
  const press = make('button', { type: 'button', class: 'button', 'data-key': 'copy' }, icon('copy'), make('span', { text: words }));
  press.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      toast(t('merchant.copied'));
    } catch {
      field.focus();
      field.select();
      toast(t('merchant.copy.byhand'), 'bad');
    }
  });
  return press;
}
