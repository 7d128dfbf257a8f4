/** Where this shop is on its server: at the root or, in a rehearsal, below a path of its own. */

const facts = globalThis.document?.documentElement?.dataset ?? {};

/** The rehearsal that this page belongs to, or '': then all of it is real. */
export const rehearsal = facts.rehearsal ?? '';

/** What every path of this shop begins with: '' or a path without its last slash. */
export const base = facts.base ?? '';

/** The path of this shop's page or API, such as `/api/v1/rooms`, as the browser needs it. */
export const sitePath = (path) => base + path;
