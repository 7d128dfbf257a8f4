/** Browser storage that may be forbidden or full: then nothing is kept, and nothing breaks. */

/** The text kept under a name, or null. */
export function recall(name, storage = safely(() => localStorage)) {
  return safely(() => storage.getItem(name)) ?? null;
}

/** Keep a text, or with null forget it. */
export function remember(name, text, storage = safely(() => localStorage)) {
  safely(() => (text === null ? storage.removeItem(name) : storage.setItem(name, text)));
}

/** The tab's own storage, or undefined where it is forbidden. */
export const tabStorage = () => safely(() => sessionStorage);

function safely(act) {
  try {
    return act();
  } catch {
    return undefined;
  }
}
