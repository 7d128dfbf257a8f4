/** Numbers, money and times in the reader's language. No DOM. */

const COMPACT_FROM = 10_000;

/** A count: exact below ten thousand, then 1.2万 or 12K. */
export function formatCount(count, language) {
  const compact = count >= COMPACT_FROM;
  return new Intl.NumberFormat(language, {
    notation: compact ? 'compact' : 'standard',
    maximumFractionDigits: compact ? 1 : 0,
  }).format(count);
}

/** Money from minor units: 2990 CNY is ¥29.90, 2900 is ¥29, 500 JPY is 500 yen. */
export function formatPrice(priceMinor, currency, language) {
  try {
    const style = new Intl.NumberFormat(language, { style: 'currency', currency });
    const digits = style.resolvedOptions().maximumFractionDigits;
    const amount = priceMinor / 10 ** digits;
    if (!Number.isInteger(amount)) return style.format(amount);
    return new Intl.NumberFormat(language, { style: 'currency', currency, maximumFractionDigits: 0 }).format(amount);
  } catch {
    return `${priceMinor / 100} ${currency}`; // a currency that this browser does not know
  }
}

/** The lowest price of a product and whether others are higher. */
export function priceRange(product) {
  const prices = (product.skus ?? []).map((sku) => sku.price_minor);
  if (!prices.length) return { from: product.price_minor, varies: false };
  const from = Math.min(...prices);
  return { from, varies: Math.max(...prices) > from };
}

const SOON_MS = 18 * 3_600_000;

/** A time to wait for: 21:05, with the day when it is far off. */
export function formatMoment(atMs, language) {
  if (atMs - Date.now() < SOON_MS) return formatClock(atMs, language);
  const parts = { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' };
  return new Intl.DateTimeFormat(language, parts).format(atMs);
}

/** 21:05 */
export function formatClock(atMs, language) {
  return new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit' }).format(atMs);
}

/** Time left in whole seconds, rounded up: 09:41, or 1:02:03 from an hour on. Never below zero. */
export function formatTimeLeft(leftMs) {
  const seconds = Math.max(0, Math.ceil(leftMs / 1000));
  const two = (number) => String(number).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}
