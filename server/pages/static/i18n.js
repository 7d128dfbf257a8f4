/** The chosen language and its words in the page. The words themselves are in messages.js. */

import { chooseLanguage, fill, LANGUAGES, MESSAGES } from './messages.js';
import { recall, remember } from './storage.js';

const STORED = 'live.language';
const listeners = new Set();

/** Now: `zh-CN` or `en`. */
export let language = chooseLanguage({
  asked: new URLSearchParams(location.search).get('lang'),
  stored: recall(STORED),
  preferred: navigator.languages ?? [navigator.language],
});

/** The words for a key, with `{name}` replaced from `values`. An unknown key throws. */
export const t = (key, values) => fill(MESSAGES[language][key], values, key);

/** Choose, keep the choice, and change the page without reloading it. */
export function setLanguage(chosen) {
  if (!LANGUAGES.includes(chosen)) return;
  language = chosen;
  remember(STORED, chosen);
  const address = new URL(location.href);
  if (address.searchParams.has('lang')) {
    address.searchParams.set('lang', chosen);
    history.replaceState(null, '', address);
  }
  translate(document.documentElement);
  for (const listener of listeners) listener(chosen);
}

/** Call when the language changes, for what is not in the template. */
export const onLanguage = (listener) => listeners.add(listener);

/** Fill in the template: `data-t` text, `data-t-label` aria-label and title, `data-t-hint`. */
export function translate(root) {
  document.documentElement.lang = language;
  for (const element of root.querySelectorAll('[data-t]')) {
    element.textContent = t(element.dataset.t);
  }
  for (const element of root.querySelectorAll('[data-t-label]')) {
    const words = t(element.dataset.tLabel);
    element.setAttribute('aria-label', words);
    if (element.matches('button, a')) element.title = words;
  }
  for (const element of root.querySelectorAll('[data-t-hint]')) {
    element.placeholder = t(element.dataset.tHint);
  }
}

/** Make a switch of this button: it names the other language. */
export function languageSwitch(button) {
  button.addEventListener('click', () => setLanguage(language === 'en' ? 'zh-CN' : 'en'));
}
