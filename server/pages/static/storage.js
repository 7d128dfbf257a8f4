/** Browser storage that may be forbidden or full: then nothing is kept, and nothing breaks. */

import { base } from './site.js';

/** The text kept under a name, or null. */
export function recall(name, storage = safely(() => localStorage)) {
  return safely(() => storage.getItem(placed(name))) ?? null;
}

/** Keep a text, or with null forget it. */
export function remember(name, text, storage = safely(() => localStorage)) {
  safely(() => (text === null ? storage.removeItem(placed(name)) : storage.setItem(placed(name), text)));
}

/** The tab's own storage, or undefined where it is forbidden. */
export const tabStorage = () => safely(() => sessionStorage);

/** A rehearsal has the origin of the shop: who somebody is there must not be mixed up with here. */
const placed = (name) => (base ? `${base} ${name}` : name);

function safely(act) {
  try {
    return act();
  } catch {
    return undefined;
  }
}
