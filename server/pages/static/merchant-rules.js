/** What the desk knows about sales, orders, books and addresses, without a page. No DOM. */

export const ROOM_STATES = ['scheduled', 'live', 'ended'];
export const SALE_STATES = ['draft', 'armed', 'countdown', 'open', 'sold_out', 'paused', 'closed', 'frozen'];
export const ORDER_STATES = ['reserved', 'paid', 'queued', 'cancelled', 'expired', 'refunded'];

/** The views of the desk by the group that they stand in. */
export const GROUPS = {
  selling: ['sales', 'orders', 'books', 'rehearsals'],
  shop: ['products', 'rooms'],
  sharing: ['ladders', 'links', 'coupons', 'vouchers', 'commissions'],
  visitors: ['sources', 'visits', 'people'],
};
export const VIEWS = Object.values(GROUPS).flat();

/** Views without a tab of their own, and the view whose tab is theirs. */
const BELOW = { draft: 'sales', plan: 'ladders', rehearse: 'rehearsals' };

/** The view whose tab is lit. */
export const tabOf = (view) => BELOW[view] ?? view;

/** The group of a view. */
export const groupOf = (view) => Object.keys(GROUPS).find((group) => GROUPS[group].includes(tabOf(view)));

const ACTS = {
  draft: ['arm', 'edit'],
  armed: ['open', 'restock', 'close'],
  countdown: ['open', 'pause', 'restock', 'close'],
  open: ['restock', 'pause', 'close'],
  sold_out: ['restock', 'pause', 'close'],
  paused: ['resume', 'restock', 'close'],
};

/** What may be done to a sale in this state, the likeliest first. */
export const actsOf = (state) => ACTS[state] ?? [];

/** True while a sale's numbers move by themselves. */
export const isRunning = (state) => !['draft', 'closed'].includes(state);

/** What may be done to an order in this state. */
export function orderActsOf(state) {
  if (state === 'paid') return ['refund'];
  return ['reserved', 'queued'].includes(state) ? ['cancel'] : [];
}

/**
 * What an amount of goods comes to: `{skus, units, worth}`, worth a BigInt of minor units.
 * `count(item)` says how many units of an item are meant.
 */
export function goodsOf(items, count = (item) => item.stock) {
  let units = 0;
  let worth = 0n;
  for (const item of items) {
    const each = count(item) ?? 0;
    units += each;
    worth += BigInt(each) * BigInt(item.price_minor);
  }
  return { skus: items.length, units, worth };
}

/** Lowest and highest price of items. */
export function pricesOf(items) {
  const prices = items.map((item) => item.price_minor);
  return prices.length ? { from: Math.min(...prices), to: Math.max(...prices) } : null;
}

/** Goods of an order on one line: `mug-blue × 2, tea × 1`. */
export const linesOf = (order) =>
  (order.items ?? []).map(({ sku, qty }) => `${sku} × ${qty}`).join(', ');

/** The counters of the books, in the order one reads them. */
export const COUNTERS = ['initial', 'available', 'reserved', 'sold', 'refunded', 'written_off', 'waiting'];
const COMPARED = ['initial', 'reserved', 'sold', 'refunded'];

/**
 * Redis beside the ledger, by sku: `[{sku, balanced, counters: [{name, live, ledger, differs}]}]`.
 * A side that is not known is null. `balanced`: initial == available + reserved + sold, or null.
 */
export function booksBySku(books) {
  const sides = [books.redis?.items, books.ledger?.items].map(
    (items) => new Map((items ?? []).map((item) => [item.sku, item])),
  );
  const skus = [...new Set(sides.flatMap((side) => [...side.keys()]))];
  return skus.map((sku) => {
    const [live, ledger] = sides.map((side) => side.get(sku) ?? null);
    return {
      sku,
      balanced: live ? live.initial === live.available + live.reserved + live.sold : null,
      counters: COUNTERS.map((name) => counter(name, live, ledger)),
    };
  });
}

function counter(name, live, ledger) {
  const [one, other] = [live?.[name] ?? null, ledger?.[name] ?? null];
  return {
    name,
    live: one,
    ledger: other,
    differs: COMPARED.includes(name) && one !== null && other !== null && one !== other,
  };
}

/** What to say of the books: `agree`, `behind` (the ledger still writes), `differ`, `unknown`. */
export function booksVerdict({ agree, lag, redis }) {
  if (agree === true) return 'agree';
  if (agree === false) return 'differ';
  return redis && lag > 0 ? 'behind' : 'unknown';
}

/** `?sale=a&state=paid` of what is set; '' of nothing. */
export function queryText(filters) {
  const set = Object.entries(filters).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  const text = new URLSearchParams(set).toString();
  return text && `?${text}`;
}

/** Where an address leads: `#/orders/x?state=paid` is `{view, id, filters}`; else the sales. */
export function placeOf(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [view, id = ''] = path.split('/');
  const known = VIEWS.includes(tabOf(view));
  return {
    view: known ? view : 'sales',
    id: known ? decoded(id) : '',
    filters: known ? Object.fromEntries(new URLSearchParams(query)) : {},
  };
}

/** The address of a place. */
export const hashOf = (view, id = '', filters = {}) =>
  `#/${view}${id && `/${encodeURIComponent(id)}`}${queryText(filters)}`;

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

/** Who a token says it is for, to greet with; what it allows, the server decides. */
export function personOf(token) {
  try {
    const [, payload] = token.split('.');
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return { id: String(claims.sub ?? ''), name: String(claims.info?.name || claims.sub || '') };
  } catch {
    return { id: '', name: '' };
  }
}

/** The field a refusal is about, and why: `stock: must be 1` is `{field: 'stock', why}`. */
export function fieldAndWhy(message) {
  const found = /^([a-z_]+(?:\.\w+)*): (.+)$/s.exec(message);
  return found ? { field: found[1], why: found[2] } : { field: '', why: message };
}

/** Move an entry of a list by so many places; at an end it stays. Returns a new list. */
export function moved(list, from, by) {
  const to = from + by;
  if (to < 0 || to >= list.length) return list;
  const copy = [...list];
  copy.splice(to, 0, ...copy.splice(from, 1));
  return copy;
}
