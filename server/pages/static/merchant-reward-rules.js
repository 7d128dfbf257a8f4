/** What the desk knows about ladders, rewards, arrivals and coupons, without a page. No DOM. */

export const LADDER_STATES = ['draft', 'published', 'ended'];
export const REWARD_KINDS = ['coupon', 'points', 'red_packet', 'voucher'];
export const GRANT_STATES = ['granted', 'opened', 'redeemed', 'expired', 'missed'];
export const COUPON_KINDS = ['amount', 'percent', 'threshold'];
export const COMMISSION_STATES = ['pending', 'available', 'reversed'];
export const TIERS_MAX = 10;

/** Verdicts on arrivals: still open, counted, and the reasons for which one does not count. */
export const VERDICTS = [
  'open',
  'qualified',
  'valid',
  'channel_policy',
  'self_invite',
  'banned',
  'not_new_person',
  'not_new_device',
  'repeat',
  'impossible_speed',
  'device_cluster',
  'address_cluster',
  'agent_cluster',
  'too_short',
  'no_action',
  'not_member',
  'ladder_over',
];

/** What may be done to a ladder in this state, the likeliest first. */
export const ladderActsOf = (state) => ({ draft: ['publish', 'edit'], published: ['end'] })[state] ?? [];

/** The state as people see it: one that is over is `ending` while its last arrivals are judged. */
export const shownState = ({ state, ends_at_ms: endsAtMs }, nowMs = Date.now()) =>
  state === 'published' && endsAtMs <= nowMs ? 'ending' : state;

/** The colour of a verdict: `good`, `wait` or `bad`. */
export function toneOf(verdict) {
  if (verdict === 'valid') return 'good';
  return verdict === 'open' || verdict === 'qualified' ? 'wait' : 'bad';
}

/** The most that a tier can cost, a BigInt of minor units; null while a number is missing. */
export function tierCost({ kind, stock, cost_minor: cost, pool_minor: pool }) {
  if (kind === 'red_packet') return pool === null ? null : BigInt(pool);
  return stock === null || cost === null ? null : BigInt(stock) * BigInt(cost);
}

/**
 * What a ladder can cost at most: `{tiers: [BigInt or null], newcomer, total, left}`, `left` of
 * the budget, and null wherever a number is missing.
 */
export function worstCase({ tiers, newcomer_stock: stock = 0, newcomer_cost_minor: cost = 0, budget_minor: budget }) {
  const each = tiers.map(tierCost);
  const newcomer = stock === null || cost === null ? null : BigInt(stock) * BigInt(cost);
  const known = [...each, newcomer];
  const total = known.includes(null) ? null : known.reduce((sum, one) => sum + one, 0n);
  const left = total === null || budget === null ? null : BigInt(budget) - total;
  return { tiers: each, newcomer, total, left };
}

/**
 * The first thing wrong with the tiers: `{number, field}` with the index of the tier, or null.
 */
export function tierTrouble(tiers) {
  for (const [number, tier] of tiers.entries()) {
    if (number && tier.needs <= tiers[number - 1].needs) return { number, field: 'needs' };
    if (tier.kind === 'red_packet' && tier.pool_minor < tier.stock) return { number, field: 'pool_minor' };
    if (tier.kind === 'coupon' && !tier.coupon_batch) return { number, field: 'coupon_batch' };
  }
  return null;
}

/** The most that one coupon of a batch can take off, or null where only the price bounds it. */
export function couponWorth({ kind, amount_minor: amount, cap_minor: cap }) {
  if (kind === 'percent') return cap || null;
  return amount;
}

/** Whether the sources of a report come to its total, for every number that both have. */
export function sumsUp(rows, total) {
  const names = Object.keys(total).filter((name) => typeof total[name] === 'number');
  return names.every((name) => rows.reduce((sum, row) => sum + (row[name] ?? 0), 0) === total[name]);
}

/** A voucher's code as it is printed: without what people type between its groups. */
export function cleanCode(text) {
  const letters = text.normalize('NFKC').toUpperCase().replace(/[^0-9A-Z]/g, '');
  return letters.replace(/(.{4})(?=.)/g, '$1-');
}

/** Milliseconds as minutes and seconds of a stay: 65000 is 1:05. */
export function stayText(ms) {
  const seconds = Math.floor(ms / 1000);
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (number) => String(number).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/**
 * Steps of a visit by their time, with signals that only say "still here" gathered where nothing
 * is between. What the server saw is stored a moment after what the page told of the same instant.
 */
export function gathered(steps) {
  const rows = [];
  for (const step of [...steps].sort((one, other) => one.at_ms - other.at_ms)) {
    const last = rows.at(-1);
    if (step.t === 'beat' && last?.t === 'beat' && last.explaining === step.explaining) {
      last.count += 1;
      last.until_ms = step.at_ms;
    } else rows.push({ ...step, count: 1, until_ms: step.at_ms });
  }
  return rows;
}

/** The sums of some numbers over rows. */
export const summed = (rows, names) =>
  Object.fromEntries(names.map((name) => [name, rows.reduce((sum, row) => sum + row[name], 0)]));
