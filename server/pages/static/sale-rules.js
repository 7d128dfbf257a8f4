/** What a sale means to somebody at one instant. Pure: no DOM, no network, no clock. */

const OPENING_ERROR_MS_MAX = 250;
const BY_URGENCY = ['open', 'countdown', 'paused', 'sold_out', 'frozen', 'armed', 'closed'];

/** What staff say about a sale that does not go on, '' while it does. */
export const reasonOf = (sale, phase) =>
  ['paused', 'closed', 'frozen'].includes(phase) ? sale.reason : '';

/** Units that can be had now, over all items. */
export const unitsLeft = (sale) => sale.items.reduce((sum, item) => sum + item.available, 0);

/** Units on sale, over all items. */
export const unitsOnSale = (sale) => sale.items.reduce((sum, item) => sum + item.stock, 0);

/**
 * The state as it is at `nowMs` of the server: clocks open and close sales by themselves, and what
 * is left decides between `open` and `sold_out`, whichever news came last. `errorMs` is how wrong
 * `nowMs` may be: nobody is invited to press before the server has opened.
 */
export function phaseOf(sale, nowMs, errorMs = 0) {
  let phase = sale.state;
  const waitMs = Math.min(errorMs, OPENING_ERROR_MS_MAX);
  if (phase === 'countdown' && sale.starts_at_ms !== null && nowMs >= sale.starts_at_ms + waitMs) {
    phase = 'open';
  }
  if (!['open', 'sold_out'].includes(phase)) return phase;
  if (sale.ends_at_ms !== null && nowMs >= sale.ends_at_ms) return 'closed';
  return unitsLeft(sale) > 0 ? 'open' : 'sold_out';
}

/** The instant that a sale in this phase counts down to, or null. */
export function deadlineOf(sale, phase) {
  if (phase === 'countdown') return sale.starts_at_ms;
  return ['open', 'sold_out', 'paused'].includes(phase) ? sale.ends_at_ms : null;
}

/** Sales in the order in which they matter to somebody who enters: those that are over last. */
export function byUrgency(sales, nowMs) {
  const rank = (sale) => BY_URGENCY.indexOf(phaseOf(sale, nowMs));
  return [...sales].sort((a, b) => rank(a) - rank(b));
}

/** The sales worth showing to buyers, as they matter: one that is over only if there is no other. */
export function worthShowing(sales, nowMs) {
  const running = byUrgency(sales, nowMs).filter((sale) => phaseOf(sale, nowMs) !== 'closed');
  return running.length ? running : sales.slice(-1);
}

/** How many units of an item may be asked for at once by somebody who has `taken` units of it. */
export const unitsAllowed = (item, taken) =>
  Math.max(0, Math.min(item.per_user_max - taken, item.available));

/** What may be done about an item: `buy`, `wait` (join the waitlist), `limit`, `gone`, or `not`. */
export function offerOf(item, phase, taken) {
  if (!['open', 'sold_out'].includes(phase)) return 'not';
  if (taken >= item.per_user_max) return 'limit';
  return item.available > 0 ? 'buy' : 'wait';
}
