/** Money and times as a desk needs them: exact, and read back from what people type. No DOM. */

const DIGITS_UNKNOWN = 2;
const AMOUNT_DIGITS_MAX = 13; // whole units that the API can take, in any currency

/** How many digits of a currency are minor units: 2 for CNY, 0 for JPY. */
export function minorDigits(currency) {
  try {
    const style = new Intl.NumberFormat('en', { style: 'currency', currency });
    return style.resolvedOptions().maximumFractionDigits;
  } catch {
    return DIGITS_UNKNOWN;
  }
}

/** Money with all its digits: 2900 CNY is ¥29.00. Takes a number or a BigInt of minor units. */
export function formatMoney(minor, currency, language) {
  const plain = plainMoney(minor, currency);
  try {
    // A string keeps every digit where the browser can; older ones round far behind the comma.
    return new Intl.NumberFormat(language, { style: 'currency', currency }).format(plain);
  } catch {
    return `${plain} ${currency}`;
  }
}

/** Money as one types it: 2900 CNY is "29.00". */
export function plainMoney(minor, currency) {
  const digits = minorDigits(currency);
  const value = BigInt(minor);
  const sign = value < 0n ? '-' : '';
  const text = String(value < 0n ? -value : value).padStart(digits + 1, '0');
  return digits ? `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}` : sign + text;
}

/**
 * Minor units of what somebody typed, or null: "29.9" CNY is 2990. Commas may only group
 * thousands, because "12,50" is twelve and a half to some and a thousand more to others.
 */
export function parseMoney(text, currency) {
  const typed = text.normalize('NFKC').trim();
  const found = /^(\d+|\d{1,3}(?:,\d{3})+)(?:\.(\d+))?$/.exec(typed);
  if (!found) return null;
  const digits = minorDigits(currency);
  const [whole, part] = [found[1].replaceAll(',', '').replace(/^0+(?=\d)/, ''), found[2] ?? ''];
  if (part.length > digits || whole.length > AMOUNT_DIGITS_MAX) return null;
  const minor = Number(whole + part.padEnd(digits, '0'));
  return Number.isSafeInteger(minor) ? minor : null;
}

/** A whole number within bounds, or null. */
export function parseWhole(text, least, most = Number.MAX_SAFE_INTEGER) {
  const typed = text.normalize('NFKC').trim();
  if (!/^\d{1,15}$/.test(typed)) return null;
  const value = Number(typed);
  return value >= least && value <= most ? value : null;
}

/** Basis points of what somebody typed as percent: "12.5" is 1250; null if it is none. */
export function parsePercent(text, most = 100) {
  const found = /^(\d{1,3})(?:\.(\d{1,2}))?$/.exec(text.normalize('NFKC').trim().replace(/%$/, ''));
  if (!found) return null;
  const bp = Number(found[1]) * 100 + Number((found[2] ?? '').padEnd(2, '0'));
  return bp <= most * 100 ? bp : null;
}

/** Basis points as one types them: 1250 is "12.5". */
export const plainPercent = (bp) => String(bp / 100);

/** A count with its thousands marked; a desk wants every unit, so it is never shortened. */
export const formatUnits = (count, language) => new Intl.NumberFormat(language).format(count);

/** Day and time to the second, where the reader is; the year when it is another one. */
export function formatInstant(atMs, language, nowMs = Date.now()) {
  const sameYear = new Date(atMs).getFullYear() === new Date(nowMs).getFullYear();
  return new Intl.DateTimeFormat(language, {
    ...(sameYear ? {} : { year: 'numeric' }),
    month: 'short',
    day: 'numeric',
    ...CLOCK,
  }).format(atMs);
}

/** 21:05:09 where the reader is. */
export const formatSecond = (atMs, language) => new Intl.DateTimeFormat(language, CLOCK).format(atMs);

const CLOCK = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };

/** The reader's time zone as a name, such as Asia/Shanghai. */
export const zoneName = () => new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Seconds in words, in the largest unit that leaves no rest: 600 is 10 minutes. */
export function formatSpan(seconds, language) {
  const [unit, size] = SPANS.find(([, each]) => seconds % each === 0 && seconds >= each) ?? SPANS.at(-1);
  return new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'long' }).format(seconds / size);
}

const SPANS = [
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

/** What `<input type="datetime-local">` wants for an instant; '' for none. */
export function toLocalInput(atMs) {
  if (atMs === null || atMs === undefined) return '';
  const at = new Date(atMs);
  const two = (number) => String(number).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** The instant that such an input says, or null. */
export function fromLocalInput(text) {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(text)) return null;
  const atMs = new Date(text).getTime();
  return Number.isNaN(atMs) ? null : atMs;
}
