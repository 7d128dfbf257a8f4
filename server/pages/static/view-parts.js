/** What the views of sharing have in common. */

import { make } from './dom.js';

/** What stands where there is nothing: a sentence, and what may come. */
export const nothing = (head, text, ...more) =>
  make('div', { class: 'nothing' }, make('p', { class: 'nothing-head', text: head }), make('p', { class: 'soft', text }), ...more);
