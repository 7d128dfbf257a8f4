/** Putting a text on the clipboard, also where a page may not: on a phone over plain HTTP. */

import { make } from './dom.js';

/** True when it is there. `place` is inside the dialog that is open, if any: focus stays in it. */
export async function copyText(text, place = document.body) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByHand(text, place);
  }
}

function copyByHand(text, place) {
  const had = document.activeElement;
  const field = make('textarea', { class: 'only-read', readonly: true, tabindex: -1 });
  field.value = text;
  place.append(field);
  field.select();
  let done = false;
  try {
    done = document.execCommand('copy');
  } catch {
    done = false;
  }
  field.remove();
  had?.focus?.();
  return done;
}
